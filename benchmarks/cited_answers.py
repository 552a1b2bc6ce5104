"""Fine-tune and knowledge, apart and together, on questions that the textbook answers.

    python benchmarks/cited_answers.py --json

Every section of `../shared/data/openstax_psychology` ends with key terms and what they mean. Terms are divided by seed. Those of
one part are a team's conversations ("What does X mean?" and the definition): imported, built with `dataset.knowledge`, and learned
by the tiny base. The terms of the other part are asked in four ways: base or fine-tune, with the knowledge base or without; through
the companion's own turn, greedy. That no question asked was learned is checked on the lines of the dataset.

relevance   cosine of the reply, citations taken out, and the book's own definition (MiniLM)
cited       share of replies that cite; `by_model` of itself, `attributed` because the companion found a passage that supports them
precision   share of citations that are of the section which defines the term; `by_model` and `attributed` apart
shown       share of turns in which a passage of that section was shown: more cannot be cited

`support` has the rule that attributes, by itself, on terms that are not asked: `found` the share of definitions that it gives to a
passage of their section which does not have their words, `wrong` to one of another section, and `false` the share that it gives to
any passage where none of theirs was shown. Intervals are of 95%: Wilson's, for relevance the bootstrap's. The last line is one JSON
object.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heedful.companion.guarding import Guards
from heedful.companion.retrieving import Retrieve, from_documents
from heedful.companion.turn import Companion, Reply, reply_many
from heedful.config import Settings, load_settings
from heedful.conversation import Message
from heedful.dataset import build_dataset, load_split
from heedful.engines.base import Sampling
from heedful.engines.transformers_engine import TransformersEngine
from heedful.evaluation.intervals import wilson
from heedful.knowledge import search
from heedful.knowledge.citing import CITATION
from heedful.knowledge.library import add_files
from heedful.knowledge.support import attribute_to
from heedful.lifecycle.companions import wanted_of
from heedful.lifecycle.grounding import grounding_of
from heedful.lifecycle.ingest import import_file
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import context_length, load_tokenizer
from heedful.modeling.embedder import load_embedder
from heedful.sources import locate
from heedful.store.database import open_store
from heedful.training.plan import make_plan
from heedful.training.train import train
from heedful.workspace import Workspace, create_workspace, find_workspace, read_manifest, staging

TEXTBOOK = Path(__file__).resolve().parents[2] / "shared" / "data" / "openstax_psychology" / "md"
TERM = re.compile(r"^- \*\*(.+?)\*\*: (.+)$", re.MULTILINE)
SYSTEM = "You explain terms of psychology in one sentence."
QUESTIONS = ("What does {} mean?", "What is {}?", "Can you explain {}?")
ROOM = 0.75  # of the tiny base's 1,024 tokens: three passages
LONGEST = 40  # words of a definition
SEED = 7
FLOORS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)


@dataclass(frozen=True, slots=True)
class Term:
    """`document` is the file of the section that defines it."""

    name: str
    meaning: str
    document: str

    @property
    def question(self) -> str:
        return QUESTIONS[sum(map(ord, self.name)) % len(QUESTIONS)].format(self.name)

    @property
    def answer(self) -> str:
        return f"{self.meaning[0].upper()}{self.meaning[1:].rstrip('.')}."

    def is_in(self, text: str) -> bool:
        return " ".join(self.meaning.split()) in " ".join(text.split())


def read_terms() -> list[Term]:
    found = [
        Term(name, meaning, path.name)
        for path in sorted(TEXTBOOK.glob("*.md"))
        for name, meaning in TERM.findall(path.read_text(encoding="utf-8"))
    ]
    unique = {term.name.lower(): term for term in found if len(term.meaning.split()) <= LONGEST}
    return [unique[name] for name in sorted(unique)]


def build(workspace: Workspace, settings: Settings, terms: Sequence[Term], folder: Path) -> Path:
    """The dataset, as a team gets it."""
    rows = [{"messages": [{"role": "user", "content": t.question}, {"role": "assistant", "content": t.answer}]} for t in terms]
    source = folder / "team.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    store = open_store(workspace.database)
    try:
        import_file(store, locate(str(source)), "benchmark", basis="owned")
        ground = grounding_of(workspace, settings)
        return build_dataset(store, workspace, settings.dataset, SYSTEM, "benchmark", ground=ground).path
    finally:
        store.close()


def check_unseen(dataset: Path, asked: Sequence[Term]) -> None:
    learned = {row.question for split in ("train", "validation") for row in load_split(dataset, split)}
    seen = learned & {term.question for term in asked}
    if seen:
        raise SystemExit(f"{len(seen)} of the questions asked are in {dataset.name}")


def ask(adapter: Path | None, look_up: Retrieve | None, terms: Sequence[Term]) -> list[Reply]:
    network = load_with_adapter("tiny", adapter, "cpu")
    engine = TransformersEngine("tuned" if adapter else "base", network, load_tokenizer("tiny"), context_length("tiny"))
    sampling = Sampling(max_new_tokens=70, temperature=0.0, repetition_penalty=1.0, no_repeat_ngram=0)
    companion = Companion(engine, SYSTEM, sampling, Guards(crisis=False), retrieve=look_up)
    return asyncio.run(reply_many(companion, [[Message("user", term.question)] for term in terms]))


def share(hits: int, n: int) -> dict[str, float | int] | None:
    """None where there is nothing to take a share of."""
    if n == 0:
        return None
    low, high = wilson(hits, n)
    return {"value": round(hits / n, 4), "low": round(low, 4), "high": round(high, 4), "n": n}


def relevance(replies: Sequence[Reply], terms: Sequence[Term]) -> dict[str, float]:
    embedder = load_embedder()
    said = embedder.embed([CITATION.sub("", one.text) for one in replies])
    cosines = (said * embedder.embed([term.answer for term in terms])).sum(axis=1)
    drawn = np.random.default_rng(SEED).choice(cosines, (2_000, len(cosines))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"value": round(float(cosines.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def judge(replies: Sequence[Reply], terms: Sequence[Term]) -> dict[str, Any]:
    pairs = list(zip(replies, terms, strict=True))
    cited = [(source, source.passage.document == term.document) for one, term in pairs for source in one.sources if source.cited]
    kinds = {
        "all": [right for _, right in cited],
        "by_model": [right for source, right in cited if not source.attributed],
        "attributed": [right for source, right in cited if source.attributed],
    }
    replied = {
        "all": sum(any(s.cited for s in one.sources) for one in replies),
        "by_model": sum(any(s.cited and not s.attributed for s in one.sources) for one in replies),
        "attributed": sum(any(s.attributed for s in one.sources) for one in replies),
    }
    return {
        "relevance": relevance(replies, terms),
        "cited": {kind: share(count, len(replies)) for kind, count in replied.items()},
        "precision": {kind: share(sum(found), len(found)) for kind, found in kinds.items()},
        "shown": share(sum(any(s.passage.document == t.document for s in one.sources) for one, t in pairs), len(pairs)),
    }


def judge_support(workspace: Workspace, terms: Sequence[Term], floors: Sequence[float]) -> dict[str, Any]:
    """The rule by itself: a definition and passages of its section without its words; and passages of other sections only."""
    counted = {floor: [0, 0, 0] for floor in floors}
    tried = [0, 0]
    for term, other in zip(terms, [*terms[1:], terms[0]], strict=True):
        own = [one for one in search(workspace, term.question, 6) if not term.is_in(one.text)][:3]
        apart = [one for one in search(workspace, other.question, 6) if one.document != term.document][:3]
        for number, passages in enumerate((own, apart)):
            if not passages or (number == 0 and all(one.document != term.document for one in passages)):
                continue
            tried[number] += 1
            for floor, counts in counted.items():
                found = attribute_to(passages, floor)(term.answer)
                if found is not None:
                    right = passages[found - 1].document == term.document
                    counts[2 if number else (0 if right else 1)] += 1
    return {
        f"{floor:.2f}": {"found": share(found, tried[0]), "wrong": share(wrong, tried[0]), "false": share(false, tried[1])}
        for floor, (found, wrong, false) in counted.items()
    }


def prepared(folder: Path) -> Workspace:
    """With the textbook in it; one that is there already is gone on with."""
    root = folder / "workspace"
    workspace = find_workspace(root) if root.exists() else create_workspace(root, "base: tiny\n")
    add_files(workspace, [TEXTBOOK])
    return workspace


def tuned(dataset: Path, settings: Settings, folder: Path) -> Path:
    """Named when it is whole, so that a stopped training is not taken for one."""
    adapter = folder / f"adapter-{dataset.name}"
    if not adapter.exists():
        plan = make_plan(dataset, "tiny", "cpu", settings.training)
        with staging(folder) as aside:
            train(dataset, "tiny", plan, aside)
            aside.rename(adapter)
    return adapter


def tell(*said: object) -> None:
    print(round(time.process_time()), *said, file=sys.stderr, flush=True)


def measure(folder: Path, trained: int, asked: int, epochs: float) -> dict[str, Any]:
    workspace = prepared(folder)
    tell("documents are in")
    settings = load_settings(
        flags={"knowledge": {"room": ROOM}, "dataset": {"knowledge": True, "split": "90/10"}, "training": {"epochs": epochs}}
    )
    terms = read_terms()
    random.Random(SEED).shuffle(terms)
    held, learned = terms[:asked], terms[asked : asked + trained]
    dataset = build(workspace, settings, learned, folder)
    check_unseen(dataset, held)
    manifest = read_manifest(dataset)
    tell("built", manifest["counts"], manifest["grounded"]["outcomes"])
    adapter = tuned(dataset, settings, folder)
    look_up = from_documents(workspace, wanted_of("tiny", settings.knowledge))
    arms = {"base": (None, None), "knowledge": (None, look_up), "fine_tuned": (adapter, None), "both": (adapter, look_up)}
    judged = {}
    for name, arm in arms.items():
        judged[name] = judge(ask(*arm, held), held)
        tell(name, judged[name])
    return {
        "terms_asked": len(held),
        "lines": manifest["counts"],
        "examples_with_passages": manifest["grounded"]["outcomes"],
        "support": judge_support(workspace, learned[:asked], (settings.knowledge.support,)),
        **judged,
        "processor_seconds": round(time.process_time()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=int, default=120, help="terms that are learned from")
    parser.add_argument("--asked", type=int, default=30, help="terms that are asked")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--floors", action="store_true", help="only the rule that attributes, at several floors")
    parser.add_argument("--folder", type=Path, help="keep what is made here, and go on from what is there")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = Path(passing) if given.folder is None else given.folder
        folder.mkdir(parents=True, exist_ok=True)
        if given.floors:
            terms = read_terms()
            random.Random(SEED).shuffle(terms)
            found = judge_support(prepared(folder), terms[given.asked : given.asked + given.trained], FLOORS)
        else:
            found = measure(folder, given.trained, given.asked, given.epochs)
    if not given.json:
        for key, value in found.items():
            print(key, value)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
