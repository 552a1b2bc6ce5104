"""The wire of /api/training, outward: runs, and how the loop stands. Heedful's own; OpenAI's /v1/fine_tuning is another room."""

from typing import Any, Literal

from pydantic import BaseModel

from heedful.store.schema_runs import RunKind, RunState


class RunEntry(BaseModel):
    """`metrics` are figures and ids that the steps noted so far; `error` is the line of what failed. Times are ISO 8601, in UTC."""

    id: str
    kind: RunKind
    state: RunState
    requested_by: str
    requested_at: str
    started_at: str | None
    finished_at: str | None
    dataset_id: str | None
    model_id: str | None
    error: str | None
    metrics: dict[str, Any]


class OpenRetrain(BaseModel):
    """An erasure quarantined this model, and no clean one was trained since."""

    model: str
    erasure: int
    planned_at: str


class AskedRun(BaseModel):
    """`worker` is whether somebody is there who will carry it out."""

    object: Literal["training.run"]
    run: RunEntry
    worker: bool


class TrainingStatus(BaseModel):
    """`new_records` came since the last run and may be trained on; `recent_runs` are the newest first.

    `withdrawn` counts persons whom the champion learned from and who no longer allow it.
    """

    object: Literal["training.status"]
    trained: bool
    total_runs: int
    worker: bool
    running: RunEntry | None
    last_run: RunEntry | None
    next_run: str | None
    new_records: int
    open_retrains: list[OpenRetrain]
    withdrawn: int
    recent_runs: list[RunEntry]
