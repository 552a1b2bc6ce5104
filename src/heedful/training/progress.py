"""Progress: one finished step in; a line of metrics.jsonl, and a Progress value for whoever watches, out.

Three kinds of lines, told apart by `event`: `step` (training loss), `evaluation` (validation_nll, train_nll) and one `summary`.
A line is on disk as soon as it is written, so a curve can be followed while training runs and survives a crash.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
Write = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """`step` of `steps` is done. `loss` is nats a supervised token, `eta_s` seconds; `validation_nll` the newest one, if any."""

    step: int
    steps: int
    epoch: float
    loss: float
    tokens_per_s: float
    eta_s: float
    validation_nll: float | None


@contextmanager
def metrics_file(folder: Path) -> Iterator[Write]:
    """Append-only; opened once, flushed after each line."""
    with (folder / METRICS).open("a", encoding="utf-8") as stream:

        def write(line: Mapping[str, Any]) -> None:
            stream.write(json.dumps({name: tidy(value) for name, value in line.items()}) + "\n")
            stream.flush()

        yield write


def tidy(value: Any) -> Any:
    """Six significant digits are more than a curve needs."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
