"""Corpora of the tiny base: compressed text files in, a tokenizer and one stream of token ids per corpus out.

Dialogue files hold blocks divided by an empty line, each line `User: ...` or `Assistant: ...`; prose files hold plain text.
Dialogue is rendered with the very chat tags that the chat template of the base uses, half of it under a system prompt, so that
the base knows turns, stops and system prompts before it is ever fine-tuned.
"""

import hashlib
import lzma
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

PAD, END, SYSTEM, USER, ASSISTANT = SPECIAL_TOKENS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
HELD_OUT_SHARE = 50  # one document in fifty is never trained on
PROSE_DOCUMENT_CHARACTERS = 6_000


@dataclass(frozen=True)
class Corpus:
    """One file of the pre-training mix; `weight` is its share of the training tokens."""

    name: str
    weight: float
    licence: str
    is_dialogue: bool


CORPORA = (
    Corpus("dialog_sgd", 0.18, "CC BY-SA 4.0 (Schema-Guided Dialogue)", True),
    Corpus("dialog_taskmaster", 0.07, "CC BY 4.0 (Taskmaster)", True),
    Corpus("dialog_topical_chat", 0.25, "CDLA-Sharing 1.0 (Topical-Chat)", True),
    Corpus("qa_medquad_gard_ghr", 0.12, "CC BY 4.0 (MedQuAD, GARD and GHR)", True),
    Corpus("expository_openstax_psychology", 0.14, "CC BY 4.0 (OpenStax Psychology 2e)", False),
    Corpus("prose_eltec_novels", 0.24, "public domain (ELTeC novels)", False),
)

SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a warm, supportive companion. Listen first, then answer in plain words.",
    "You are a friendly assistant. Keep your answers short and clear.",
    "You answer questions about health in plain language.",
    "You are a supportive companion for people who want to talk. You are not a therapist and you say so when asked.",
    "You are a kind listener. Ask one question at a time.",
    "You help people get things done. Be brief and polite.",
    "Answer the question truthfully. If you do not know, say so.",
    "You are an assistant of a small team. Be concrete and kind.",
    "Talk with the user about what interests them.",
)

TURN = re.compile(r"^(User|Assistant): ?", re.MULTILINE)


def read_text(folder: Path, corpus: Corpus) -> str:
    return lzma.open(folder / f"{corpus.name}.txt.xz", "rt", encoding="utf-8").read()


def documents(folder: Path, corpus: Corpus) -> Iterator[str]:
    """Documents of one corpus, dialogue with its chat tags."""
    text = read_text(folder, corpus)
    return dialogue_documents(text) if corpus.is_dialogue else prose_documents(text)


def dialogue_documents(text: str) -> Iterator[str]:
    blocks: list[str] = []
    for block in text.split("\n\n"):
        if TURN.match(block) or not blocks:
            blocks.append(block)
        else:  # an answer of several paragraphs
            blocks[-1] += "\n\n" + block
    return (render(block) for block in blocks if TURN.match(block))


def render(block: str) -> str:
    parts = TURN.split(block)[1:]
    draw = random.Random(hashlib.sha256(block.encode()).digest())
    head = f"{SYSTEM}{draw.choice(SYSTEM_PROMPTS)}{END}" if draw.random() < 0.5 else ""
    tags = {"User": USER, "Assistant": ASSISTANT}
    return head + "".join(f"{tags[role]}{said.strip()}{END}" for role, said in zip(parts[::2], parts[1::2], strict=True))


def prose_documents(text: str) -> Iterator[str]:
    gathered: list[str] = []
    size = 0
    for paragraph in text.split("\n"):
        gathered.append(paragraph)
        size += len(paragraph) + 1
        if size >= PROSE_DOCUMENT_CHARACTERS:
            yield "\n".join(gathered).strip() + END
            gathered, size = [], 0
    if size:
        yield "\n".join(gathered).strip() + END


def is_held_out(document: str) -> bool:
    return int.from_bytes(hashlib.sha256(document.encode()).digest()[:4], "big") % HELD_OUT_SHARE == 0


def train_tokenizer(folder: Path, vocabulary: int, sample_characters: int = 3_000_000) -> Tokenizer:
    """Byte-level BPE (GPT-2 pre-tokenization) on an equal sample of every corpus."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    samples = (read_text(folder, corpus)[:sample_characters] for corpus in CORPORA)
    tokenizer.train_from_iterator((line for text in samples for line in text.split("\n")), trainer)
    return tokenizer


@dataclass(frozen=True)
class Stream:
    """Token ids of one corpus: shuffled training documents and the held-out ones, with the held-out size in bytes."""

    train: np.ndarray
    held_out: np.ndarray
    held_out_bytes: int


def encode(folder: Path, corpus: Corpus, tokenizer: Tokenizer, seed: int) -> Stream:
    """Bytes count the text only: chat tags are tokens of the model but not bytes of the corpus."""
    parts: dict[bool, list[str]] = {False: [], True: []}
    for document in documents(folder, corpus):
        parts[is_held_out(document)].append(document)
    random.Random(seed).shuffle(parts[False])
    tags = re.compile("|".join(re.escape(token) for token in SPECIAL_TOKENS))
    size = sum(len(tags.sub("", document).encode()) for document in parts[True])
    train, held_out = (
        np.concatenate([np.array(e.ids, dtype=np.uint16) for e in tokenizer.encode_batch(part)])
        for part in (parts[False], parts[True])
    )
    return Stream(train, held_out, size)
