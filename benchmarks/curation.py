"""Curation of real dialogues: conversations a second of every stage, memory and time as they grow, a second core, and Presidio.

    python benchmarks/curation.py --sizes 2000,20000 --json

The dialogues are those of `../shared/data/pretrain` (service, small talk, orders), drawn by hash and written as one transcript.
Stages: `import` (read, seal, store), `look` (filters, language, signatures of every conversation), `divide` (near-duplicates,
splits), `write` (identifiers replaced, lines written), `keep` (the same with identifiers kept: the difference is what they cost).
Every size and number of processes is measured in a process of its own, one at a time. `cpu_s` is processor time of a stage,
that of its workers too, and conversations a second are of it, so that other work on the machine does not count; `wall_s` is
what a person waits. Memory is the peak of the largest process.

Identifiers: Presidio's predefined recognizers are called one by one on the same texts, without their engine and without a model,
and both look for the labelled spans of `data/identifiers_tuning.jsonl`. The last line is one JSON object.
"""

import argparse
import hashlib
import json
import lzma
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from identifiers import SETS, ours, presidio_finder, presidio_recognizers, read_set, score

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset.build import names_known
from heedful.dataset.review import hold_back
from heedful.dataset.scratch import Scratch
from heedful.dataset.selection import Selection, select_members, tie
from heedful.dataset.survey import survey
from heedful.dataset.writing import Draft, write_lines
from heedful.lifecycle.ingest import import_file
from heedful.privacy import replace_identifiers
from heedful.store.assignments import assignments
from heedful.store.consent import permitted
from heedful.store.conversations import iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.reviews import decisions
from heedful.workspace import create_workspace

PRETRAIN = Path(__file__).resolve().parents[2] / "shared" / "data" / "pretrain"
FILES = ("dialog_sgd.txt.xz", "dialog_topical_chat.txt.xz", "dialog_taskmaster.txt.xz")
STAGES = ("import", "look", "divide", "write")
COMPARED = 1_000  # dialogues that Presidio reads too
MEGABYTE = 1 << 20

Result = TypeVar("Result")


def dialogues(count: int) -> list[str]:
    """As the files have them, a turn a line; those with the smallest hashes, so that each file has its share."""
    texts = [text for name in FILES for text in lzma.decompress((PRETRAIN / name).read_bytes()).decode().strip().split("\n\n")]
    drawn = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
    if len(drawn) < count:
        raise SystemExit(f"there are only {len(drawn)} dialogues")
    return drawn[:count]


class Clock:
    """Wall and processor time of each stage, workers included: they have ended when a stage ends."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.here: dict[str, float] = {}

    def of(self, stage: str, work: Callable[[], Result]) -> Result:
        wall, cpu, here = time.perf_counter(), processor_time(), time.process_time()
        result = work()
        self.wall[stage] = round(time.perf_counter() - wall, 2)
        self.cpu[stage] = round(processor_time() - cpu, 2)
        self.here[stage] = round(time.process_time() - here, 2)
        return result


def processor_time() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mb() -> int:
    used = (resource.getrusage(whose).ru_maxrss for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(used) * (1 if sys.platform == "darwin" else 1024) / MEGABYTE)


def measure(path: Path, workers: int) -> dict[str, Any]:
    """All stages in this process and its workers. The store is new."""
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        workspace = create_workspace(Path(folder) / "w", "base: tiny\n")
        store = open_store(workspace.database)
        report = clock.of("import", lambda: import_file(store, path, "benchmark", basis="public"))
        curate(store, workspace.datasets, clock, workers)
        store.close()
    return {
        "conversations": report.conversations,
        "stored": report.added,
        "workers": workers,
        "wall_s": clock.wall,
        "cpu_s": clock.cpu,
        "cpu_s_of_first_process": clock.here,
        "per_cpu_s": {stage: round(report.conversations / clock.cpu[stage]) for stage in clock.cpu if clock.cpu[stage]},
        "peak_mb": peak_mb(),
    }


def curate(store: Store, folder: Path, clock: Clock, workers: int) -> None:
    """What `heedful dataset build` does, stage by stage, without the rows of the new version."""
    settings = DatasetSettings()
    with store.snapshot() as session, Scratch(folder) as scratch:
        stored = lambda: iterate_conversations(session, permitted("training"), corrected=True)  # noqa: E731
        found = clock.of("look", lambda: survey(stored(), settings, "", scratch, workers))

        def divide() -> Selection:
            tied = tie(found, workers)
            hold_back(found, tied.twins, decisions(session), settings)
            load = partial(iterate_conversations, session, corrected=True)
            return select_members(found, tied, settings, partial(assignments, session), load, workers)

        selection = clock.of("divide", divide)
        kept = settings.model_copy(update={"identifiers": "keep"})
        for stage, given in (("write", settings), ("keep", kept)):
            draft = Draft(found, selection, given, "", {})
            clock.of(stage, lambda draft=draft: write_lines(stored(), names_known(session), folder, draft, workers))


def compare_identifiers(count: int) -> dict[str, float]:
    """Processor time on the same texts, alternating, and the share of labelled spans that either finds."""
    talks = [to_conversation(text) for text in dialogues(count)]
    texts = [message.content for talk in talks for message in talk.messages]
    recognizers = presidio_recognizers()
    ways: dict[str, Callable[[], object]] = {
        "heedful": lambda: [replace_identifiers(talk, seed=7) for talk in talks],
        "presidio": lambda: [one.analyze(text, one.supported_entities) for text in texts for one in recognizers],
    }
    took = {way: min(timed(work) for _ in range(2)) for way, work in ways.items()}
    rows = read_set(SETS["tuning"])
    recall = {way: recall_of(score(rows, find)) for way, find in (("heedful", ours), ("presidio", presidio_finder()))}
    return {
        "identifiers: conversations a second": round(count / took["heedful"]),
        "presidio: conversations a second": round(count / took["presidio"]),
        "identifiers: speed over presidio's patterns": round(took["presidio"] / took["heedful"], 2),
        "identifiers: recall": recall["heedful"],
        "presidio: recall": recall["presidio"],
        "identifiers: recall over presidio's": round(recall["heedful"] / recall["presidio"], 2),
    }


def recall_of(scored: Any) -> float:
    return float(scored.share(list(scored.asked))["value"])


def to_conversation(text: str) -> Conversation:
    turns = [line.partition(": ") for line in text.splitlines()]
    roles = {"User": "user", "Assistant": "assistant"}
    return Conversation(tuple(Message(roles[who], said) for who, _, said in turns if who in roles and said))  # type: ignore[arg-type]


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def in_own_process(*arguments: object) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(sizes: list[int], folder: Path) -> Iterator[dict[str, Any]]:
    """Every size with one process, and the largest with two."""
    for size, workers in [*((size, 1) for size in sizes), (max(sizes), 2)]:
        path = folder / "dialogues.txt"
        path.write_text("\n\n".join(dialogues(size)) + "\n", encoding="utf-8")
        found = in_own_process("--one", path, workers)
        print(json.dumps(found), file=sys.stderr, flush=True)
        yield found


def summary(found: list[dict[str, Any]]) -> dict[str, float]:
    """`second core`: 2 is half the time. The share that the first process does alone bounds it."""
    small, large, twice = found[0], found[-2], found[-1]
    grown = large["conversations"] / small["conversations"]

    def total(run: dict[str, Any], what: str) -> float:
        return sum(run[what][stage] for stage in STAGES)

    return {
        "conversations": large["conversations"],
        "time: growth over growth of the data": round(total(large, "cpu_s") / total(small, "cpu_s") / grown, 2),
        "memory: largest over smallest": round(large["peak_mb"] / small["peak_mb"], 2),
        "second core: look and write, wall": round(spent(large, "wall_s") / spent(twice, "wall_s"), 2),
        "second core: all stages, wall": round(total(large, "wall_s") / total(twice, "wall_s"), 2),
        "second core: processor time of two over one": round(total(twice, "cpu_s") / total(large, "cpu_s"), 2),
    }


def spent(run: dict[str, Any], what: str) -> float:
    return float(run[what]["look"] + run[what]["write"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="2000,20000", help="conversations; the smallest first")
    parser.add_argument("--compared", type=int, default=COMPARED, help="dialogues in which Presidio looks for identifiers too")
    parser.add_argument("--json", action="store_true", help="as ever: progress goes to stderr, one JSON line to stdout")
    parser.add_argument("--one", nargs=2, metavar=("FILE", "WORKERS"), help="one figure in this process")
    parser.add_argument("--identifiers", type=int, help="only the comparison with Presidio, on so many dialogues")
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(measure(Path(given.one[0]), int(given.one[1]))))
    elif given.identifiers is not None:
        print(json.dumps(compare_identifiers(given.identifiers)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = list(run([int(size) for size in given.sizes.split(",")], Path(folder)))
        print(json.dumps({"runs": found, **summary(found), **in_own_process("--identifiers", given.compared)}))


if __name__ == "__main__":
    main()
