"""Process: one training in a process of its own, from the inside. A job as a line on stdin in; events as lines on stdout, out.

    python -m heedful.training.process

Both are JSON. The job has the fields of `Job`. Events, told apart by `event`: `progress`, and a last word, `trained` or `failed`.
Stdin stays open as long as whoever asked is there: when it closes, and at SIGTERM or SIGINT, the training writes a resume point and
ends. Nothing but events goes to stdout; libraries that print are sent to stderr.
"""

import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from heedful.errors import HeedfulError, TrainingInterrupted
from heedful.training.plan import TrainingPlan
from heedful.training.progress import Progress
from heedful.training.round import Round
from heedful.training.train import TrainedAdapter, train
from heedful.training.watch import RESUME


@dataclass(frozen=True, slots=True)
class Job:
    """The arguments of `train`."""

    dataset_dir: Path
    base: str
    plan: TrainingPlan
    output: Path
    recovery: Path
    part: Round | None

    def to_json(self) -> str:
        fields = {"dataset_dir": str(self.dataset_dir), "base": self.base, "plan": self.plan.as_dict()}
        part = None if self.part is None else {**asdict(self.part), "below": str(self.part.below)}
        return json.dumps({**fields, "output": str(self.output), "recovery": str(self.recovery), "part": part})

    @staticmethod
    def from_json(text: str | bytes) -> "Job":
        told = json.loads(text)
        folders = {name: Path(told[name]) for name in ("dataset_dir", "output", "recovery")}
        return Job(base=told["base"], plan=TrainingPlan.from_dict(told["plan"]), part=read_part(told["part"]), **folders)


def read_part(told: Mapping[str, Any] | None) -> Round | None:
    return None if told is None else Round(Path(told["below"]), tuple(told["new"]), tuple(told["replay"]))


class Stop:
    """Becomes true once, from a signal or another thread."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, *_: object) -> None:
        self.asked = True


def main() -> int:
    events = take_stdout()
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.ask)
    job = Job.from_json(sys.stdin.buffer.readline())
    threading.Thread(target=wait_for_end, args=(stop,), daemon=True).start()

    def tell(event: str, **fields: Any) -> None:
        try:
            events.write(json.dumps({"event": event, **fields}) + "\n")
            events.flush()
        except BrokenPipeError:
            stop.ask()

    try:
        trained = carry_out(job, lambda progress: tell("progress", **asdict(progress)), lambda: stop.asked)
    except HeedfulError as error:
        tell("failed", error=type(error).__name__, text=error.text, next_step=error.next_step)
        return 1
    except OSError as error:
        text = f"{error.filename or 'file system'}: {error.strerror or error}"
        mend = "free some disk" if error.errno == errno.ENOSPC else "mend that"
        tell("failed", error=TrainingInterrupted.__name__, text=text, next_step=f"{mend}, then {RESUME}")
        return 1
    tell("trained", **asdict(trained) | {"path": str(trained.path)})
    return 0


def take_stdout() -> TextIO:
    """The stream for events; whoever prints from now on prints to stderr."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events


def wait_for_end(stop: Stop) -> None:
    """Past Python's buffer, whose lock a thread must not hold when the process ends."""
    while os.read(0, 1_024):
        pass
    stop.ask()


def carry_out(job: Job, observe: Callable[[Progress], None], stop: Callable[[], bool]) -> TrainedAdapter:
    return train(
        job.dataset_dir, job.base, job.plan, job.output, observe, part=job.part, recovery=job.recovery, stop=stop
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
