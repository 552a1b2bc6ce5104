"""Imports of large files: rows a second and peak memory, beside the `datasets` library that reads the same file as a stream.

    python benchmarks/imports.py --sizes 50,500 --json

The files are made from the rows of counsel_chat and esconv, repeated with a number before each text, so that no row is like
another; without `../shared/data` the bundled samples serve. Every figure comes from a process of its own, one at a time; rows a
second are of CPU time, so that other work on the machine does not count, and begin when all modules are loaded. Ways: `read`
(detection and every row), `import` (into a store, sealed), `datasets` (the peer: rows as dictionaries, nothing cleaned or checked).
The last line is one JSON object.
"""

import argparse
import csv
import importlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from heedful.lifecycle.ingest import import_file
from heedful.sources import BadRow, Hints, Passed, find, read
from heedful.store.database import open_store

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"
SAMPLES = REPOSITORY / "src" / "heedful" / "assets" / "samples" / "conversations.jsonl"
MEGABYTE = 1 << 20


def talks() -> list[list[tuple[str, str]]]:
    """Conversations as (speaker, text)."""
    path = SHARED / "esconv_dev" / "esconv_dev_reconstructed.jsonl"
    rows = map(json.loads, (path if path.is_file() else SAMPLES).read_text(encoding="utf-8").splitlines())
    return [[(message["role"], " ".join(message["content"].split())) for message in row["messages"]] for row in rows]


def pairs() -> list[tuple[str, str]]:
    path = SHARED / "counsel_chat" / "context_response.jsonl"
    if not path.is_file():
        return [(talk[0][1], talk[1][1]) for talk in talks()]
    return [(row["Context"], row["Response"]) for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())]


def endless(rows: list[Any]) -> Iterator[tuple[int, Any]]:
    number = 0
    while True:
        for row in rows:
            number += 1
            yield number, row


def as_csv(rows: list[list[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def json_lines() -> Iterator[str]:
    for number, (question, answer) in endless(pairs()):
        yield json.dumps({"question": f"{number} {question}", "answer": answer}, ensure_ascii=False) + "\n"


def json_list() -> Iterator[str]:
    for number, (question, answer) in endless(pairs()):
        comma = "," if number > 1 else "["
        yield comma + "\n" + json.dumps({"question": f"{number} {question}", "answer": answer}, ensure_ascii=False, indent=1)


def csv_pairs() -> Iterator[str]:
    yield "question,answer\n"
    for number, (question, answer) in endless(pairs()):
        yield as_csv([[f"{number} {question}", answer]])


def csv_turns() -> Iterator[str]:
    """Two conversations take turns, as in the log of a chat: none stands together."""
    yield "conversation_id,speaker,text\n"
    waiting = endless(talks())
    while True:
        two = [next(waiting), next(waiting)]
        longest = max(len(talk) for _, talk in two)
        rows = [[n, talk[at][0], f"{n} {talk[at][1]}"] for at in range(longest) for n, talk in two if at < len(talk)]
        yield as_csv(rows)


def transcript() -> Iterator[str]:
    for number, talk in endless(talks()):
        yield "".join(f"{speaker.title()}: {number} {text}\n" for speaker, text in talk) + "\n"


KINDS: dict[str, Callable[[], Iterator[str]]] = {
    "json lines": json_lines,
    "json": json_list,
    "csv": csv_pairs,
    "turns": csv_turns,
    "transcript": transcript,
}
PEERS = {"json lines": "json", "csv": "csv"}  # what `datasets` reads, and by which of its builders
IMPORTED = ("json lines", "turns")


def write(kind: str, path: Path, size: int) -> None:
    written = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        for piece in KINDS[kind]():
            out.write(piece)
            written += len(piece.encode())
            if written >= size:
                break
        out.write("\n]\n" if kind == "json" else "")


def count_read(path: Path) -> int:
    rows = (row for source in find(path, Hints(), Passed()) for row in read(source))
    return sum(1 if not isinstance(row, BadRow) else sys.exit(f"row {row.number}: {row.reason}") for row in rows)


def count_imported(path: Path) -> int:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        store = open_store(Path(folder) / "heedful.db")
        report = import_file(store, path, "benchmark")
        store.close()
    assert report.added == report.conversations, "a row is like another"
    return report.added


def count_peer(path: Path, builder: str) -> int:
    import datasets

    rows = datasets.load_dataset(builder, data_files=str(path), split="train", streaming=True)
    return sum(1 for _ in rows)


def measure(way: str, path: Path) -> dict[str, float]:
    """One figure in this process. Peak memory is that of the process, modules included."""
    if way in PEERS.values():
        importlib.import_module("datasets")
    started = time.process_time()
    rows = {"read": count_read, "import": count_imported}[way](path) if way in ("read", "import") else count_peer(path, way)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"rows": rows, "seconds": round(seconds, 2), "rows_per_s": round(rows / seconds), "peak_mb": round(peak / MEGABYTE)}


def in_own_process(way: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", way, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def ways_of(kind: str) -> list[str]:
    return ["read", *(["import"] if kind in IMPORTED else []), *([PEERS[kind]] if kind in PEERS else [])]


def run(kinds: list[str], sizes: list[int]) -> Iterator[tuple[str, dict[str, float]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for kind in kinds:
            for size in sizes:
                write(kind, path, size * MEGABYTE)
                for way in ways_of(kind):
                    found = in_own_process(way, path)
                    name = f"{kind}, {'datasets' if way in PEERS.values() else way}, {size} MB"
                    print(f"{name}: {found}", file=sys.stderr, flush=True)
                    yield name, found


def summary(found: dict[str, dict[str, float]], sizes: list[int]) -> dict[str, float]:
    """Memory of the largest file over that of the smallest, and speed over the peer's, for each kind and way."""
    small, large = min(sizes), max(sizes)
    line = {}
    for name, run in found.items():
        head, _, size = name.rpartition(", ")
        if size == f"{large} MB":
            line[f"{head}: memory of {large} MB over {small} MB"] = round(
                run["peak_mb"] / found[f"{head}, {small} MB"]["peak_mb"], 2
            )
        kind, way = head.split(", ")
        peer = found.get(f"{kind}, datasets, {size}")
        if way == "read" and peer is not None:
            line[f"{kind}, {size}: speed over datasets"] = round(run["rows_per_s"] / peer["rows_per_s"], 2)
            line[f"{kind}, {size}: memory over datasets"] = round(run["peak_mb"] / peer["peak_mb"], 2)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="5,50", help="megabytes, smallest and largest are compared")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--json", action="store_true", help="as ever: progress goes to stderr, one JSON line to stdout")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FILE"), help="one figure in this process, as the benchmark starts them")
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(measure(given.one[0], Path(given.one[1]))))
        return
    sizes = [int(size) for size in given.sizes.split(",")]
    found = dict(run(given.kinds.split(","), sizes))
    print(json.dumps({"figures": found, **summary(found, sizes)}))


if __name__ == "__main__":
    main()
