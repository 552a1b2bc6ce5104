"""What a training beside it costs a server: the same requests with and without a worker that trains, alternating.

    python benchmarks/beside.py --model 135m --json

`heedful serve` answers one request after the other (greedy, never the same prompt twice), `heedful worker` trains the same base in
the same workspace, at its own lowest priority and with its own number of threads. Only requests that are answered while the worker
tells of steps count as `training`. After each such part the worker is killed; the next one goes on where it was.

| figure | what it is |
| --- | --- |
| first_p50_ms, first_p95_ms | from the request to the first text |
| reply_p50_ms, reply_p95_ms | from the request to the last text |
| training_cores | processor time of the training, beside the server, over the time that passed |

`ratios` are `training` over `quiet`: the p95 must be at most 2. Other work on the machine takes from the training first, for it has
the lowest priority, and so flatters the ratio: use a quiet machine. The last line is one JSON object.
"""

import argparse
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from serving import Answer, Prompts, Server, ask, bin_of, build, serving, wait_until_ready
from training_speed.bases import SIZES, TINY, write_base

from heedful.lifecycle.loop.requests import request_loop
from heedful.lifecycle.unfinished import list_unfinished
from heedful.modeling.bases import resolve_base
from heedful.store.database import open_store
from heedful.workspace import Workspace

ENGINE, ROWS, SPREAD = "heedful_16bit", 50_304, 0.1  # as in serving.py
START_S = 900.0
EPOCHS = {"tiny": 300, "135m": 40, "0.5b": 20}  # more than there is time for
DATASET = {"language": "any", "awaiting_review": "include", "identifiers": "keep"}
TRAINING = {"patience": 10_000, "rank": 16, "learning_rate": 1e-5, "budget_hours": 1_000}


@contextmanager
def training(workspace: Path) -> Iterator[psutil.Process]:
    """A worker that has told of a new step; it is killed when the block ends, and has left when this returns."""
    before = last_step(workspace)
    with (workspace.parent / "worker.log").open("ab") as log:
        worker = subprocess.Popen([str(bin_of("heedful")), "worker", "--once", "-w", str(workspace)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_S
        while last_step(workspace) == before:
            if worker.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the worker does not train\n{(workspace.parent / 'worker.log').read_text()[-2000:]}")
            time.sleep(0.2)
        yield psutil.Process(worker.pid)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        while is_training(workspace):
            time.sleep(0.2)  # it writes a resume point and ends by itself


def processor_s(worker: psutil.Process) -> float:
    """Of the worker and the process that trains."""
    times = [process.cpu_times() for process in (worker, *worker.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


def is_training(workspace: Path) -> bool:
    return any(one.running for one in list_unfinished(Workspace(workspace)))


def last_step(workspace: Path) -> int:
    """Newest event of a step; 0 before there is one."""
    with closing(sqlite3.connect(workspace / "heedful.db")) as database:
        query = "SELECT coalesce(max(json_extract(data, '$.step')), 0) FROM training_run_events WHERE kind = 'metrics'"
        return int(database.execute(query).fetchone()[0])


def prepare(workspace: Path, prompts: Prompts) -> None:
    """Conversations of some 200 tokens, of words in any order so that no two are alike, and a run that waits for a worker."""

    def some() -> str:
        return " ".join(prompts.dice.choices(prompts.words, k=70))

    chats = [{"messages": [{"role": role, "content": some()} for role in ("user", "assistant")]} for _ in range(300)]
    source = workspace / "chats.jsonl"
    source.write_text("".join(json.dumps(chat) + "\n" for chat in chats), encoding="utf-8")
    subprocess.run([str(bin_of("heedful")), "import", str(source), "-w", str(workspace)], check=True, capture_output=True)
    store = open_store(workspace / "heedful.db")
    with store.session() as session:
        request_loop(session, "benchmark")
    store.close()


def part(server: Server, prompts: Prompts, requests: int, tokens: int) -> list[Answer]:
    return [ask(server, prompts.draw(60), tokens) for _ in range(requests)]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def figures(answers: Sequence[Answer]) -> dict[str, float]:
    found = {}
    for name, values in (("first", [a.first_s for a in answers]), ("reply", [a.last_s for a in answers])):
        found |= {f"{name}_p50_ms": 1_000 * quantile(values, 0.5), f"{name}_p95_ms": 1_000 * quantile(values, 0.95)}
    return found


def main() -> None:
    given = parse()
    prompts = Prompts(given.seed)
    answers: dict[str, list[Answer]] = {"quiet": [], "training": []}
    taken = seconds = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder, workspace = Path(name), Path(name) / ENGINE
        base = write_base(given.model, folder / "base", ROWS, SPREAD)
        base = resolve_base(base).location if base == TINY else base
        build(ENGINE, base, folder)
        configuration = json.loads((workspace / "heedful.yaml").read_text())
        prepare(workspace, prompts)
        for turn in range(given.repeats):
            with serving(ENGINE, base, folder) as server:
                (workspace / "heedful.yaml").write_text(
                    json.dumps({**configuration, "dataset": DATASET, "training": {**TRAINING, "epochs": EPOCHS[given.model]}})
                )
                wait_until_ready(server)
                part(server, prompts, 3, given.tokens)
                answers["quiet"] += part(server, prompts, given.requests, given.tokens)
                with training(workspace) as worker:
                    before, began = processor_s(worker), time.monotonic()
                    answers["training"] += part(server, prompts, given.requests, given.tokens)
                    if not is_training(workspace):
                        raise SystemExit("the training ended before the requests did; more epochs are needed")
                    taken, seconds = taken + processor_s(worker) - before, seconds + time.monotonic() - began
            print(f"{turn}: {taken:.0f} s of processor time in {seconds:.0f} s", file=sys.stderr, flush=True)
    found = {name: figures(told) for name, told in answers.items()}
    ratios = {figure: round(found["training"][figure] / found["quiet"][figure], 3) for figure in found["quiet"]}
    shown = {name: {figure: round(value, 1) for figure, value in told.items()} for name, told in found.items()}
    facts = {"model": given.model, "requests": given.requests * given.repeats, "tokens": given.tokens}
    machine = {"cores": len(os.sched_getaffinity(0)), "load_1m": round(os.getloadavg()[0], 1)}
    print(json.dumps({**facts, **machine, "training_cores": round(taken / seconds, 2), **shown, "ratios": ratios}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SIZES, default="tiny")
    parser.add_argument("--requests", type=int, default=30, help="of each kind in a repeat")
    parser.add_argument("--tokens", type=int, default=24, help="of a reply")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="as ever: progress goes to stderr, one JSON line to stdout")
    return parser.parse_args()


if __name__ == "__main__":
    main()
