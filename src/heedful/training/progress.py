"""Progress: one finished step in; a line of metrics.jsonl, and a Progress value for whoever watches, out.

Lines are told apart by `event`: one `start` (which schedule), `step` (training loss), `evaluation` (validation_nll, train_nll) and
one `summary`. A line is in the file as soon as it is written, so a curve can be followed while training runs. A training that goes
on after a kill first takes back the lines that its resume point does not know, so that no step is there twice.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

METRICS = "metrics.jsonl"
Write = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """`step` of `steps` is done. `loss` is nats a supervised token, `eta_s` seconds; `validation_nll` the newest one, if any.

    Before the first step there is no loss, and `eta_s` is the plan's estimate. `note`: something to tell, once, in a line.
    """

    step: int
    steps: int
    epoch: float
    loss: float | None
    tokens_per_s: float
    eta_s: float | None
    validation_nll: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Metrics:
    """An open metrics.jsonl."""

    stream: TextIO

    def write(self, line: Mapping[str, Any]) -> None:
        self.stream.write(json.dumps({name: tidy(value) for name, value in line.items()}) + "\n")
        self.stream.flush()

    def sync(self) -> int:
        """What was written is on the disk; its length in bytes."""
        os.fsync(self.stream.fileno())
        return os.fstat(self.stream.fileno()).st_size


@contextmanager
def metrics_file(folder: Path, known_bytes: int = 0) -> Iterator[Metrics]:
    """Opened once, behind the first `known_bytes`; what stood there is cut off."""
    with (folder / METRICS).open("a", encoding="utf-8") as stream:
        os.truncate(stream.fileno(), known_bytes)
        yield Metrics(stream)


def tidy(value: Any) -> Any:
    """Six significant digits are more than a curve needs."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
