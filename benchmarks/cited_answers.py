"""Fine-tune and knowledge, apart and together, on questions that the textbook answers.

    python benchmarks/cited_answers.py --json

Every section of `../shared/data/openstax_psychology` ends with key terms and what they mean. Terms are divided by seed. From those
of one part the tiny base learns how to answer: half of its rows have passages in the system message and a citation in the answer,
half have none. The terms of the other part are asked ("What does X mean?") in four ways: base or fine-tune, with the knowledge base
or without; through the companion's own turn, greedy. Nothing of a held-out term was trained on.

relevance   cosine of the reply, citations taken out, and the book's own definition (MiniLM)
cited       share of replies that cite a passage which holds the definition, and none that does not
shown       share of turns in which a passage that holds it was shown: more cannot be cited

The last line is one JSON object.
"""

import argparse
import asyncio
import json
import random
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heedful.companion.guarding import Guards
from heedful.companion.retrieving import Wanted, from_documents
from heedful.companion.turn import Companion, Reply, reply_many
from heedful.config import TrainingSettings
from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.engines.transformers_engine import TransformersEngine
from heedful.knowledge.citing import CITATION
from heedful.knowledge.library import add_files
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import context_length, load_tokenizer
from heedful.modeling.embedder import load_embedder
from heedful.training.plan import make_plan
from heedful.training.train import train
from heedful.workspace import create_workspace

TEXTBOOK = Path(__file__).resolve().parents[2] / "shared" / "data" / "openstax_psychology" / "md"
TERM = re.compile(r"^- \*\*(.+?)\*\*: (.+)$", re.MULTILINE)
SYSTEM = "You explain terms of psychology in one sentence."
QUESTIONS = ("What does {} mean?", "What is {}?", "Can you explain {}?")
PASSAGES, ROOM = 3, 800  # passages a turn, tokens of them
LONGEST = 40  # words of a definition
SEED = 7


@dataclass(frozen=True, slots=True)
class Term:
    name: str
    meaning: str

    @property
    def question(self) -> str:
        return QUESTIONS[sum(map(ord, self.name)) % len(QUESTIONS)].format(self.name)

    @property
    def answer(self) -> str:
        return f"{self.meaning[0].upper()}{self.meaning[1:].rstrip('.')}"

    def is_in(self, text: str) -> bool:
        return " ".join(self.meaning.split()) in " ".join(text.split())


def read_terms() -> list[Term]:
    found = [Term(*pair) for path in sorted(TEXTBOOK.glob("*.md")) for pair in TERM.findall(path.read_text(encoding="utf-8"))]
    unique = {term.name.lower(): term for term in found if len(term.meaning.split()) <= LONGEST}
    return [unique[name] for name in sorted(unique)]


def row(system: str, term: Term, answer: str) -> str:
    said = (("system", system), ("user", term.question), ("assistant", answer))
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in said]}) + "\n"


async def write_dataset(folder: Path, terms: Sequence[Term], look_up: Any) -> int:
    """Rows with passages and rows without, in turn. A term whose definition is not among its passages has none to cite."""
    folder.mkdir()
    rows: list[str] = []
    citing = 0
    for number, term in enumerate(terms):
        plain = row(SYSTEM, term, f"{term.answer}.")
        if number % 2:
            rows.append(plain)
            continue
        found = await look_up([Message("system", SYSTEM), Message("user", term.question)])
        cited = next((place for place, one in enumerate(found.passages, start=1) if term.is_in(one.text)), 0)
        citing += bool(cited)
        rows.append(row(found.messages[0].content, term, f"{term.answer} [{cited}].") if cited else plain)
    held = max(8, len(rows) // 12)
    for name, part in (("train", rows[held:]), ("validation", rows[:held]), ("test", [])):
        (folder / f"{name}.jsonl").write_text("".join(part), encoding="utf-8")
    return citing


def ask(adapter: Path | None, look_up: Any, terms: Sequence[Term]) -> list[Reply]:
    network = load_with_adapter("tiny", adapter, "cpu")
    engine = TransformersEngine("tuned" if adapter else "base", network, load_tokenizer("tiny"), context_length("tiny"))
    sampling = Sampling(max_new_tokens=70, temperature=0.0, repetition_penalty=1.0, no_repeat_ngram=0)
    companion = Companion(engine, SYSTEM, sampling, Guards(crisis=False), retrieve=look_up)
    chats = [[Message("user", term.question)] for term in terms]
    return asyncio.run(reply_many(companion, chats))


def judge(replies: Sequence[Reply], terms: Sequence[Term]) -> dict[str, float]:
    embedder = load_embedder()
    said = embedder.embed([CITATION.sub("", one.text) for one in replies])
    meant = embedder.embed([term.answer for term in terms])
    cosines = (said * meant).sum(axis=1)
    drawn = np.random.default_rng(SEED).choice(cosines, (2_000, len(cosines))).mean(axis=1)
    right, shown = [], []
    for one, term in zip(replies, terms, strict=True):
        cited = [source for source in one.sources if source.cited]
        shown.append(any(term.is_in(source.passage.text) for source in one.sources))
        right.append(bool(cited) and all(term.is_in(source.passage.text) for source in cited))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {
        "relevance": round(float(cosines.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "cited": round(float(np.mean(right)), 4),
        "shown": round(float(np.mean(shown)), 4),
    }


def measure(folder: Path, trained: int, asked: int, epochs: float) -> dict[str, Any]:
    workspace = create_workspace(folder / "workspace", "base: tiny\n")
    add_files(workspace, [TEXTBOOK])
    tokenizer = load_tokenizer("tiny")
    look_up = from_documents(
        workspace, Wanted(PASSAGES, count=lambda text: len(tokenizer.encode(text, add_special_tokens=False)), room=ROOM)
    )
    terms = read_terms()
    random.Random(SEED).shuffle(terms)
    held, learned = terms[:asked], terms[asked : asked + trained]
    cited = asyncio.run(write_dataset(folder / "dataset", learned, look_up))
    plan = make_plan(folder / "dataset", "tiny", "cpu", TrainingSettings(epochs=epochs))
    (folder / "adapter").mkdir()
    began = time.perf_counter()
    train(folder / "dataset", "tiny", plan, folder / "adapter")
    seconds = time.perf_counter() - began
    adapter = folder / "adapter"
    found = {
        name: judge(ask(with_adapter, with_look_up, held), held)
        for name, with_adapter, with_look_up in (
            ("base", None, None),
            ("base_and_knowledge", None, look_up),
            ("fine_tune", adapter, None),
            ("fine_tune_and_knowledge", adapter, look_up),
        )
    }
    return {
        "terms_asked": len(held),
        "terms_learned": len(learned),
        "with_citation": cited,
        "train_seconds": round(seconds),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=int, default=240, help="terms that are learned from")
    parser.add_argument("--asked", type=int, default=60, help="terms that are asked")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.trained, given.asked, given.epochs)
    if not given.json:
        for key, value in found.items():
            print(key, value)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
