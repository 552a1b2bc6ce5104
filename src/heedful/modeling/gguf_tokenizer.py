"""A tokenizer in; the `tokenizer.*` fields of a GGUF file out, its `pre` tag among them, or a clause that says why not.

llama.cpp knows how a tokenizer cuts words only by that tag, and splits "can't" otherwise under a wrong one. So a tokenizer whose
rule is not recognised, part by part, is refused, never guessed.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heedful.errors import ModelError
from heedful.modeling.chat_template import end_of_turn_ids
from heedful.modeling.protect import Tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter

LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
# llama.cpp's names of the rules, by what the tokenizer's own file says
RULES = {
    f"{SHORT}|{LETTERS}|\\p{{N}}{{1,3}}|{TAIL}": "llama-bpe",
    f"{SHORT}|{LETTERS}|\\p{{N}}|{TAIL}": "qwen2",
}
OTHER_FORMAT = "export it with --to peft or --to merged"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`kind` and `pre` are llama.cpp's names; `types` are gguf's TokenType. `scores` of a SentencePiece vocabulary, else none."""

    kind: str
    pre: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    scores: tuple[float, ...]


def read_vocabulary(tokenizer: Tokenizer, rows: int) -> Vocabulary:
    """`rows` is the height of the embedding: names without a token are filled up. Raises ModelError where GGUF cannot say it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError("this base's tokenizer has no tokenizer.json, which GGUF's fields are made from", OTHER_FORMAT)
    parts: dict[str, Any] = json.loads(backend.to_str())
    if parts["model"]["type"] != "BPE":
        raise ModelError(f"a tokenizer of type {parts['model']['type']} cannot be written as GGUF; allowed: BPE", OTHER_FORMAT)
    kind, pre = name_rule(parts)
    tokens = texts(tokenizer, parts, rows)
    scores = tuple(-float(number) for number in range(rows)) if kind == "llama" else ()
    return Vocabulary(kind, pre, tokens, token_types(parts, tokens, kind), merges_of(parts), scores)


def name_rule(parts: dict[str, Any]) -> tuple[str, str]:
    """(tokenizer.ggml.model, tokenizer.ggml.pre). Raises ModelError for a rule of which we know no name in llama.cpp."""
    if parts["model"].get("byte_fallback"):
        return "llama", "default"
    normalizer = parts.get("normalizer")
    if normalizer is None or normalizer == {"type": "NFC"}:
        steps = flat(parts.get("pre_tokenizer"))
        kinds = [step["type"] for step in steps]
        if kinds == ["ByteLevel"] and steps[0]["use_regex"] and not steps[0]["add_prefix_space"]:
            return "gpt2", "gpt-2"
        if kinds == ["Digits", "ByteLevel"] and steps[0]["individual_digits"] and steps[1]["use_regex"]:
            return "gpt2", "smollm"
        if kinds == ["Split", "ByteLevel"] and not steps[1]["use_regex"]:
            rule = RULES.get(steps[0]["pattern"].get("Regex", ""))
            if rule is not None:
                return "gpt2", rule
    raise ModelError("how this base's tokenizer cuts words has no name in GGUF that we know", OTHER_FORMAT)


def flat(step: dict[str, Any] | None) -> list[dict[str, Any]]:
    if step is None:
        return []
    inner: list[dict[str, Any]] = step.get("pretokenizers", [step])
    return inner


def texts(tokenizer: Tokenizer, parts: dict[str, Any], rows: int) -> tuple[str, ...]:
    """The text of each token by its number, as the tokenizer's file writes it."""
    numbered = {number: text for text, number in parts["model"]["vocab"].items()}
    numbered |= {added["id"]: added["content"] for added in parts["added_tokens"]}
    if max(numbered) >= rows:
        raise ModelError(f"the tokenizer has token {max(numbered)} but the model only {rows} rows", OTHER_FORMAT)
    return tuple(numbered.get(number, f"[PAD{number}]") for number in range(rows))


def token_types(parts: dict[str, Any], tokens: tuple[str, ...], kind: str) -> tuple[int, ...]:
    from gguf import TokenType

    added = {token["id"]: TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED for token in parts["added_tokens"]}

    def type_of(number: int, text: str) -> int:
        if number in added:
            return int(added[number])
        if text == f"[PAD{number}]":
            return int(TokenType.UNUSED)
        is_byte = kind == "llama" and len(text) == 6 and text.startswith("<0x") and text.endswith(">")
        return int(TokenType.BYTE if is_byte else TokenType.NORMAL)

    return tuple(type_of(number, text) for number, text in enumerate(tokens))


def merges_of(parts: dict[str, Any]) -> tuple[str, ...]:
    return tuple(merge if isinstance(merge, str) else " ".join(merge) for merge in parts["model"]["merges"])


def write_vocabulary(writer: "GGUFWriter", tokenizer: Tokenizer, rows: int) -> None:
    """Everything below `tokenizer.`, the chat template included."""
    vocabulary = read_vocabulary(tokenizer, rows)
    writer.add_tokenizer_model(vocabulary.kind)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(list(vocabulary.tokens))
    if vocabulary.scores:
        writer.add_token_scores(list(vocabulary.scores))
    else:
        writer.add_token_merges(list(vocabulary.merges))
    writer.add_token_types(list(vocabulary.types))
    write_special(writer, tokenizer)
    writer.add_chat_template(tokenizer.get_chat_template())


def write_special(writer: "GGUFWriter", tokenizer: Tokenizer) -> None:
    """`eot` is what ends a turn, `eos` the base's own end of text: a reply stops at either."""
    ends = end_of_turn_ids(tokenizer)
    writer.add_eot_token_id(ends[0])
    writer.add_eos_token_id(ends[-1])
    writer.add_pad_token_id(int(tokenizer.pad_token_id))
    opens = tokenizer.bos_token_id
    if opens is not None:
        writer.add_bos_token_id(int(opens))
    writer.add_add_bos_token(opens is not None and list(tokenizer("a")["input_ids"])[:1] == [opens])
