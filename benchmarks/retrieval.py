"""Retrieval: how soon documents are in, whether the right passage is found, and how long a search takes.

    python benchmarks/retrieval.py --json                 all of it
    python benchmarks/retrieval.py --part quality --half tuned

The documents are `../shared/data/leaflets` and `../shared/data/openstax_psychology`; the questions, written for this, are in
`data/retrieval_questions.jsonl` with the sections that answer them (a document and one of its headings). Questions are halved by
hash: chunk size, ranks and floor were chosen on the half `tuned`, the figures are of the half `reported`. Follow-ups, changes of
subject and questions that nothing answers stand in the same file.

Quality: of the places (document and section) that a search names, is one right among the first five (hit@5), and how high (nDCG@10,
binary gains). The peers are the two single searches of the same index: vectors alone, BM25 alone.

Latency: rows made of real chunks (words drawn anew, vectors with noise), so that indexes have real work; a whole search, question's
embedding included. `single_adds` asks the same of 1,000 documents added one by one, each its own commit, and of the same at once.
The last line is one JSON object.
"""

import argparse
import hashlib
import json
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from heedful.conversation import Message
from heedful.knowledge import Passage, search
from heedful.knowledge.chunking import Chunk, header
from heedful.knowledge.index import Candidate, Document, Index, open_index, writing
from heedful.knowledge.library import Batch, add_files, rows_of
from heedful.knowledge.retrieval import CANDIDATES, fuse, opened, passages_of, search_chat
from heedful.modeling.embedder import load_embedder
from heedful.workspace import Workspace, create_workspace

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SOURCES = (SHARED / "leaflets", SHARED / "openstax_psychology" / "md")
QUESTIONS = Path(__file__).parent / "data" / "retrieval_questions.jsonl"
PARTS = ("ingest", "quality", "latency", "single_adds")
SIZES = (10_000, 200_000)
CHUNKS_A_DOCUMENT = 20
ROWS_AT_ONCE = 20_000
SINGLE_ADDS = 1_000
ASKED = 300  # searches that are timed, after some that are not
WARM_UP = 30
NOISE = 0.05
REAL_VECTORS = 1_000
NO_FLOOR = -9.0
SEED = 7

Row = dict[str, Any]
Ranked = Sequence[Passage]


def read_questions(kind: str, half: str | None = None) -> list[Row]:
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["kind"] == kind and half in (None, half_of(row["turns"][-1]))]


def half_of(text: str) -> str:
    return "reported" if hashlib.sha256(text.encode()).digest()[0] % 2 else "tuned"


def gains(ranked: Ranked, gold: Sequence[Sequence[str]]) -> list[int]:
    """One number a place, best first: 1 where a right section is named for the first time."""
    places = dict.fromkeys((one.document, one.section, one.title) for one in ranked)
    met: set[tuple[str, str]] = set()
    found = []
    for document, section, title in places:
        names = {*section.split(" > "), *([title] if section in ("", title) else [])}
        right = {(where, heading) for where, heading in gold if where == document and heading in names} - met
        met |= right
        found.append(int(bool(right)))
    return found


def hit(ranked: Ranked, gold: Sequence[Sequence[str]]) -> float:
    return float(any(gains(ranked, gold)[:5]))


def ndcg(ranked: Ranked, gold: Sequence[Sequence[str]]) -> float:
    got = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains(ranked, gold)[:10]))
    return got / sum(1 / math.log2(place + 2) for place in range(min(len(gold), 10)))


def score(rows: Sequence[Row], ask: Callable[[Row], Ranked]) -> dict[str, list[float]]:
    ranked = [ask(row) for row in rows]
    return {
        "hit@5": [hit(found, row["gold"]) for found, row in zip(ranked, rows, strict=True)],
        "ndcg@10": [ndcg(found, row["gold"]) for found, row in zip(ranked, rows, strict=True)],
    }


def means(scores: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(float(np.mean(values)), 4) for name, values in scores.items()}


def beats(ours: dict[str, list[float]], peer: dict[str, list[float]]) -> dict[str, list[float]]:
    """Mean difference with its 95% interval, questions drawn anew 2,000 times."""
    draw = np.random.default_rng(SEED)
    found = {}
    for name, values in ours.items():
        differences = np.array(values) - np.array(peer[name])
        drawn = draw.choice(differences, (2_000, len(differences))).mean(axis=1)
        found[name] = [round(float(value), 4) for value in (differences.mean(), *np.quantile(drawn, (0.025, 0.975)))]
    return found


def ingest(workspace: Workspace) -> Row:
    load_embedder().embed(["the graph of the embedder is made once a machine, and is not timed"])
    began, spent = time.perf_counter(), time.process_time()
    added = add_files(workspace, SOURCES)
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    before = {str(path): path.stat().st_mtime_ns for path in workspace.knowledge.rglob("*.lance")}
    began = time.perf_counter()
    again = add_files(workspace, SOURCES)
    after = {str(path): path.stat().st_mtime_ns for path in workspace.knowledge.rglob("*.lance")}
    return {
        "documents": added.count("new"),
        "chunks": sum(document.chunks for _, document in added.documents),
        "refused": len(added.refused),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "again_seconds": round(time.perf_counter() - began, 2),
        "again_changed": len(again.documents) - again.count("same") + len(set(before.items()) ^ set(after.items())),
        "megabytes": round(sum(path.stat().st_size for path in workspace.knowledge.rglob("*") if path.is_file()) / 1e6, 1),
    }


def quality(workspace: Workspace, half: str) -> Row:
    index = opened(workspace)
    assert index is not None, "the documents are in"
    questions = read_questions("question", half)
    texts = [row["turns"][0] for row in questions]
    vectors = dict(zip(texts, load_embedder().embed(texts), strict=True))

    def candidates(row: Row) -> tuple[list[Candidate], list[Candidate]]:
        text = row["turns"][0]
        return index.nearest(vectors[text], CANDIDATES, ()), index.wording(text, vectors[text], CANDIDATES, ())

    def single(which: int) -> Callable[[Row], Ranked]:
        return lambda row: passages_of(index, [(one, 0.0) for one in candidates(row)[which]], CANDIDATES, NO_FLOOR)

    by_vectors, by_words = score(questions, single(0)), score(questions, single(1))
    hybrid = score(questions, lambda row: passages_of(index, fuse(*candidates(row)), CANDIDATES, NO_FLOOR))
    return {
        "questions": len(questions),
        "hybrid": means(hybrid),
        "vectors": means(by_vectors),
        "bm25": means(by_words),
        "over_vectors": beats(hybrid, by_vectors),
        "over_bm25": beats(hybrid, by_words),
        **floor(workspace, questions, half),
        **chats(workspace),
    }


def floor(workspace: Workspace, questions: Sequence[Row], half: str) -> Row:
    """What the floor costs, and what it keeps out."""
    found = [search(workspace, row["turns"][0], 5) for row in questions]
    nothing = read_questions("none", half)
    return {
        "with_floor": {
            "hit@5": round(float(np.mean([hit(one, row["gold"]) for one, row in zip(found, questions, strict=True)])), 4),
            "answered": round(float(np.mean([bool(one) for one in found])), 4),
            "unanswerable": len(nothing),
            "unanswerable_with_source": round(float(np.mean([bool(search(workspace, row["turns"][0], 5)) for row in nothing])), 4),
        }
    }


def chats(workspace: Workspace) -> Row:
    """Both kinds as a whole: the rule of rewriting was written by whoever wrote them."""
    found: Row = {}
    for kind in ("follow-up", "switch"):
        rows = read_questions(kind)
        found[kind] = {
            "chats": len(rows),
            "rewritten": means(score(rows, lambda row: search_chat(workspace, said(row), 20, floor=NO_FLOOR))),
            "last_turn": means(score(rows, lambda row: search(workspace, row["turns"][-1], 20, floor=NO_FLOOR))),
            "whole_chat": means(score(rows, lambda row: search(workspace, " ".join(row["turns"]), 20, floor=NO_FLOOR))),
        }
    return found


def said(row: Row) -> list[Message]:
    return [Message("user", text) for text in row["turns"]]


def made_rows(source: Index, count: int) -> Iterator[tuple[Batch, list[str], np.ndarray]]:
    """Documents of CHUNKS_A_DOCUMENT chunks, some thousand rows at a time."""
    real = source.texts()
    words = np.array(" ".join(real).split(), dtype=object)
    draw = np.random.default_rng(SEED)
    vectors = load_embedder().embed(list(draw.choice(real, REAL_VECTORS, replace=False)))
    for start in range(0, count, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, count - start)
        texts = [" ".join(words[draw.integers(0, len(words), 130)]) for _ in range(size)]
        noisy = vectors[draw.integers(0, len(vectors), size)] + NOISE * draw.standard_normal((size, vectors.shape[1]))
        batch = Batch()
        for first in range(0, size, CHUNKS_A_DOCUMENT):
            number = (start + first) // CHUNKS_A_DOCUMENT
            chunks = [Chunk("Section", None, text) for text in texts[first : first + CHUNKS_A_DOCUMENT]]
            batch.documents.append((document_named(number, len(chunks)), chunks))
        bodies = [f"{header(of.title, one.section)}\n{one.text}" for of, chunks in batch.documents for one in chunks]
        yield batch, bodies, noisy / np.linalg.norm(noisy, axis=1, keepdims=True)


def document_named(number: int, chunks: int) -> Document:
    name = f"{number}.md"
    return Document(f"doc-{number:010d}", name, "made", "Title", f"/{name}", "0" * 64, 1, None, 1, datetime.now(UTC), chunks)


def timed(workspace: Workspace) -> dict[str, float]:
    """Milliseconds of whole searches, in an order drawn by seed; of the clock, and of all cores together."""
    questions = [row["turns"][0] for row in read_questions("question")]
    draw = random.Random(SEED)
    asked = [draw.choice(questions) for _ in range(ASKED + WARM_UP)]
    took: list[float] = []
    spent = 0.0
    for number, text in enumerate(asked):
        if number == WARM_UP:
            spent = time.process_time()
        began = time.perf_counter()
        search(workspace, text, 5, floor=NO_FLOOR)
        took.append((time.perf_counter() - began) * 1e3)
    cpu = (time.process_time() - spent) * 1e3 / ASKED
    return {
        "cpu_ms": round(cpu, 1),
        **{f"p{level}_ms": round(float(np.percentile(took[WARM_UP:], level)), 1) for level in (50, 95)},
    }


def latency(source: Index, folder: Path, sizes: Sequence[int]) -> Row:
    found: Row = {}
    for size in sizes:
        workspace = create_workspace(folder / f"rows-{size}", "base: tiny\n")
        index = open_index(workspace, create=True)
        assert index is not None, "it was to be made"
        with writing(workspace):
            for batch, bodies, vectors in made_rows(source, size):
                index.add(rows_of(batch, bodies, vectors))
            began = time.perf_counter()
            index.maintain()
        found[str(size)] = {"index_seconds": round(time.perf_counter() - began, 1), **timed(workspace), **recall(index)}
    return found


def recall(index: Index) -> dict[str, float]:
    """How much of the exact ten nearest the index finds."""
    vectors = load_embedder().embed([row["turns"][0] for row in read_questions("question")[:100]])
    shares = []
    for vector in vectors:
        near = {one.key for one in index.nearest(vector, CANDIDATES, ())[:10]}
        exact = {one.key for one in index.nearest(vector, 10, (), exact=True)}
        shares.append(len(near & exact) / len(exact))
    return {"recall@10": round(float(np.mean(shares)), 4)}


def single_adds(source: Index, folder: Path) -> Row:
    """The same documents, one a commit with the upkeep of each, and all in one."""
    ((batch, bodies, vectors),) = made_rows(source, SINGLE_ADDS * CHUNKS_A_DOCUMENT)
    found: Row = {}
    for name, step in (("one_by_one", 1), ("at_once", SINGLE_ADDS)):
        workspace = create_workspace(folder / name, "base: tiny\n")
        index = open_index(workspace, create=True)
        assert index is not None, "it was to be made"
        began = time.perf_counter()
        for first in range(0, SINGLE_ADDS, step):
            rows = slice(first * CHUNKS_A_DOCUMENT, (first + step) * CHUNKS_A_DOCUMENT)
            with writing(workspace):
                index.add(rows_of(replace(batch, documents=batch.documents[first : first + step]), bodies[rows], vectors[rows]))
                index.maintain()
        found[name] = {"documents": len(index.documents()), "seconds": round(time.perf_counter() - began, 1), **timed(workspace)}
    found["ratio_p50"] = round(found["one_by_one"]["p50_ms"] / found["at_once"]["p50_ms"], 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; may be given again")
    parser.add_argument("--half", choices=("reported", "tuned"), default="reported")
    parser.add_argument("--size", type=int, action="append", help="rows of `latency`; may be given again")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    given = parser.parse_args()
    parts = given.part or PARTS
    found: Row = {"embedder": load_embedder().backend}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        workspace = create_workspace(folder / "documents", "base: tiny\n")
        found["ingest"] = ingest(workspace)
        source = opened(workspace)
        assert source is not None, "the documents are in"
        if "quality" in parts:
            found["quality"] = quality(workspace, given.half)
        if "latency" in parts:
            found["latency"] = latency(source, folder, given.size or SIZES)
        if "single_adds" in parts:
            found["single_adds"] = single_adds(source, folder)
    if not given.json:
        for key, value in found.items():
            print(key, value)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
