"""Recovery: the state of a training, now and then, in; after a kill at any moment, the newest whole state out.

    inputs.json    hashes of what the training was begun with; it goes on with the same, or not at all
    step-N/        a resume point: `standing.json` of the watch, and what the way of training put beside it
    lock           held by the process that trains

A resume point is written aside, synced and renamed; only then the older one goes. So at every moment at least one is whole.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from heedful.errors import TrainingError
from heedful.training.rules import RECOVERY_SHARE
from heedful.workspace import staging, sweep, sync, sync_tree, write_text

INPUTS, STANDING, LOCK = "inputs.json", "standing.json", "lock"
POINT = "step-"

Fill = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Point:
    """A resume point on disk. `standing` is the watch's, `metrics_bytes` the length of metrics.jsonl when it was written."""

    folder: Path
    step: int
    standing: Mapping[str, Any]
    metrics_bytes: int


class Recovery:
    """`point` is where the training goes on, None when it begins; `every` is in steps, by the plan.

    `sync_metrics` brings metrics.jsonl to the disk and returns its length in bytes.
    """

    def __init__(self, folder: Path, point: Point | None, every: int, sync_metrics: Callable[[], int]) -> None:
        self._folder, self._every, self._sync_metrics = folder, every, sync_metrics
        self.point = point
        self._written_at, self._cost_s = time.monotonic(), 0.0

    def due(self, step: int) -> bool:
        """By the plan's rule, but never so often that what the last one took is more than its share of the time."""
        return step % self._every == 0 and self._cost_s <= RECOVERY_SHARE * (time.monotonic() - self._written_at)

    def write(self, step: int, standing: Mapping[str, Any], fill: Fill) -> None:
        """`fill` puts into the directory what the way of training needs."""
        started = time.monotonic()
        facts = {"step": step, "metrics_bytes": self._sync_metrics(), "standing": standing}
        with staging(self._folder) as aside:
            fill(aside)
            write_text(aside / STANDING, json.dumps(facts))
            sync_tree(aside)
            aside.rename(self._folder / f"{POINT}{step}")
        sync(self._folder)
        for folder in self._folder.glob(f"{POINT}*"):
            if folder.name != f"{POINT}{step}":
                shutil.rmtree(folder)
        self._written_at, self._cost_s = time.monotonic(), time.monotonic() - started


def points(folder: Path) -> list[tuple[Path, int]]:
    """(directory, step) of the resume points, the oldest first."""
    found = [(path, int(path.name.removeprefix(POINT))) for path in folder.glob(f"{POINT}*") if (path / STANDING).is_file()]
    return sorted(found, key=lambda pair: pair[1])


def newest(folder: Path) -> Point | None:
    """None before the first one was written."""
    found = points(folder)
    if not found:
        return None
    path, step = found[-1]
    facts = json.loads((path / STANDING).read_text(encoding="utf-8"))
    return Point(path, step, facts["standing"], facts["metrics_bytes"])


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Nobody else trains here meanwhile; leavings of a killed process are swept out. Raises TrainingError when somebody does."""
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise TrainingError("this training is under way in another process", "wait for it, or stop that process") from None
    try:
        sweep(folder)
        yield
    finally:
        lock.release()


def in_use(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK, blocking=False):
            return False
    except Timeout:
        return True


def check_inputs(folder: Path, inputs: Mapping[str, str | None]) -> None:
    """Note what the training is begun with or, when it goes on, compare. Raises TrainingError naming what has changed."""
    path = folder / INPUTS
    if not path.exists():
        write_text(path, json.dumps(inputs, indent=2) + "\n")
        return
    begun: dict[str, str | None] = json.loads(path.read_text(encoding="utf-8"))
    changed = [name for name in {**begun, **inputs} if begun.get(name) != inputs.get(name)]
    if changed:
        text = f"this training cannot go on: {', '.join(changed)} changed since it was begun, so its curve would be of neither"
        raise TrainingError(text, "put that back, or begin anew: heedful train")
