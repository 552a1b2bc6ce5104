"""Step rows: a schedule and where its rows came from in; schedule.jsonl, which answers "which records made step N", out.

Line N is step N: `{"step": 3, "rows": {"ds-1f0c": [4, 17]}}` are rows 4 and 17 of that dataset's train.jsonl, counted from 1. The
first line of metrics.jsonl holds the file's SHA-256, so that a curve and its schedule cannot be mixed up. No text stands in either.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from heedful.errors import TrainingError
from heedful.training.samples import Origin
from heedful.training.schedule import Schedule
from heedful.workspace import write_text

SCHEDULE = "schedule.jsonl"

StepRows = Mapping[str, Sequence[int]]  # rows of train.jsonl, by dataset


def trace_rows(schedule: Schedule, origins: Sequence[Origin]) -> list[StepRows]:
    """What each step is made of, in the order of the step."""
    return [gather([origins[row] for row in step]) for step in schedule.steps]


def gather(origins: Sequence[Origin]) -> StepRows:
    rows: dict[str, list[int]] = {}
    for origin in origins:
        rows.setdefault(origin.dataset, []).append(origin.row)
    return rows


def write_schedule(folder: Path, steps: Sequence[StepRows]) -> None:
    lines = (json.dumps({"step": number, "rows": rows}) for number, rows in enumerate(steps, start=1))
    write_text(folder / SCHEDULE, "".join(f"{line}\n" for line in lines))


def rows_of(folder: Path, step: int) -> StepRows:
    """The rows that made `step` of the training whose directory this is. Raises TrainingError when there is no such step."""
    path = folder / SCHEDULE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise TrainingError(f"{path} cannot be read, so nobody knows the rows of a step", "restore it from a backup") from None
    if not 1 <= step <= len(lines):
        raise TrainingError(f"there is no step {step}; this training has steps 1 to {len(lines)}", f"read {path}")
    rows: StepRows = json.loads(lines[step - 1])["rows"]
    return rows


def in_words(rows: StepRows) -> str:
    """For an error: `ds-1f0c/train.jsonl rows 4, 17`."""
    return "; ".join(f"{dataset}/train.jsonl rows {', '.join(map(str, numbers))}" for dataset, numbers in rows.items())
