"""A hundred SIGKILLs at random steps of imports and builds: never half an import, never half a dataset, and the next goes on."""

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from heedful.config import Settings
from heedful.dataset import build_dataset
from heedful.lifecycle.ingest import import_file
from heedful.store.audit_check import check_trail
from heedful.store.database import open_store
from heedful.workspace import ASIDE, Workspace, read_manifest

ROWS = 60  # of an import; each has two messages
KILLS = 50  # of each kind
SPARE = 10  # some take fewer steps than usual
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["warmed"])


@pytest.fixture(scope="module", autouse=True)
def warmed() -> None:
    """The server of forks begins here; it looks for what it loads beforehand in PYTHONPATH only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        ensure_running()


def source(folder: Path, number: int) -> Path:
    """A file that no other import brings: every conversation twice, a person on each third row."""
    path = folder / f"{number}.jsonl"
    rows: list[dict[str, str]] = [
        {"question": f"How do I go on with {number}, {row // 2}?", "answer": "Step by step."} for row in range(ROWS)
    ]
    for row in range(0, ROWS, 3):
        rows[row]["person"] = f"{number}-{row}"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def do_import(root: Path, argument: str) -> None:
    import_file(open_store(Workspace(root).database), Path(argument), "test", basis="consent")


def do_build(root: Path, argument: str) -> None:
    build_dataset(open_store(Workspace(root).database), Workspace(root), Settings().dataset, argument, "test")


Work = Callable[[Path, str], None]


@dataclass
class Steps:
    """Counts all calls and returns of some work. At step `last` it dies, or tells its parent, who kills it some moments later."""

    pipe: Connection
    last: int
    alone: bool
    count: int = 0

    def __call__(self, _: FrameType, event: str, argument: object) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL) if self.alone else self.pipe.send("now")


def follow(work: Work, root: Path, argument: str, steps: Steps) -> None:
    sys.setprofile(steps)
    work(root, argument)
    sys.setprofile(None)
    steps.pipe.send(steps.count)


def run(work: Work, root: Path, argument: str, last: int = 0, alone: bool = True) -> int | None:
    """Do the work in a process of its own, killed at a step or soon after. How many steps it had, or None when it was killed."""
    mine, its = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=follow, args=(work, root, argument, Steps(its, last, alone)))
    process.start()
    its.close()
    with mine:
        told = receive(mine)
        if told == "now":
            process.kill()
            told = receive(mine)
        process.join()
    assert process.exitcode == (-signal.SIGKILL if told is None else 0)
    return told


def receive(pipe: Connection) -> Any:
    """None when the other end was killed."""
    try:
        return pipe.recv()
    except EOFError:
        return None


def kill(work: Work, root: Path, argument: Callable[[int], str], seed: int) -> Iterator[str]:
    """Kill the work KILLS times at steps drawn from all of it; yield after each, with what it was asked to do.

    By turns it kills itself, between two calls, and is killed from outside, inside of one: then it may have ended before.
    """
    draw = random.Random(seed)
    usual = min(steps for number in range(2) if (steps := run(work, root, argument(-1 - number))) is not None)
    kills = 0
    for number in range(2 * KILLS + SPARE):
        if run(work, root, argument(number), draw.randint(1, usual), alone=number % 2 == 0) is None:
            kills += 1
            yield argument(number)
        if kills == KILLS:
            return
    raise AssertionError(f"only {kills} could be killed on the way")


def counts(root: Path) -> dict[str, int]:
    """Rows of every table."""
    with closing(sqlite3.connect(Workspace(root).database)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


def check_whole(root: Path) -> set[str]:
    """The database is sound, its audit chain unbroken, what it knows is there, and every visible dataset is complete.

    Returns the datasets that it does not know yet: a crash came between their name and their rows.
    """
    with closing(sqlite3.connect(Workspace(root).database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        known = {name for (name,) in database.execute("SELECT id FROM dataset_versions")}
    store = open_store(Workspace(root).database)
    with store.snapshot() as session:
        assert check_trail(session) == []
    store.close()
    visible = {path.name for path in Workspace(root).datasets.iterdir() if not path.name.startswith(ASIDE)}
    for name in visible:
        read_manifest(Workspace(root).datasets / name)
    assert known <= visible
    return visible - known


def test_a_killed_import_leaves_all_or_nothing(workspace: Workspace, tmp_path: Path) -> None:
    root = workspace.root
    open_store(workspace.database).close()
    empty = counts(root)
    assert run(do_import, root, str(source(tmp_path, 1_000))) is not None
    one = {name: count - empty[name] for name, count in counts(root).items()}
    assert {name: one[name] for name in ("imports", "conversations", "messages", "persons", "consent_events")} == {
        "imports": 1, "conversations": ROWS, "messages": 2 * ROWS, "persons": ROWS // 3, "consent_events": ROWS // 3,
    }  # fmt: skip
    killed = []
    for path in kill(do_import, root, lambda number: str(source(tmp_path, number)), seed=1):
        killed.append(path)
        now = counts(root)
        assert now == {name: empty[name] + now["imports"] * grown for name, grown in one.items()}
    check_whole(root)
    before = counts(root)["imports"]
    assert run(do_import, root, killed[-1]) is not None
    with closing(sqlite3.connect(workspace.database)) as database:
        held = database.execute(
            "SELECT count(*) FROM conversations JOIN imports ON imports.id = import_id WHERE path = ?", killed[-1:]
        )
        assert held.fetchone() == (ROWS,)
    assert counts(root)["imports"] == before + 1


def test_a_killed_build_leaves_all_or_nothing(workspace: Workspace, tmp_path: Path) -> None:
    root = workspace.root
    for number in range(3):
        assert run(do_import, root, str(source(tmp_path, number))) is not None
    killed = []
    for prompt in kill(do_build, root, lambda number: f"Be kind, {number}.", seed=2):
        killed.append(prompt)
        now = counts(root)
        assert now["dataset_members"] % now["dataset_versions"] == 0  # every build has the same conversations
        unknown = check_whole(root)
    for again in [killed[-1], *(read_manifest(workspace.datasets / name)["system_prompt"] for name in unknown)]:
        assert run(do_build, root, again) is not None
    assert check_whole(root) == set()
