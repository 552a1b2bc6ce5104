"""Runs: a row that says what long work is under way, how it ended, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from heedful.errors import HeedfulError
from heedful.store.database import Store
from heedful.store.schema import Run, RunStatus, utc_now


@dataclass
class Outcome:
    """Filled by the work while it runs; written to the row when it is done."""

    model_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded_run(store: Store, kind: str, dataset_id: str | None, model_id: str | None = None) -> Iterator[Outcome]:
    """Write a running row, then done or failed. The reason of a failure is kept as the error's one line, without text of people."""
    with store.session() as session:
        run = Run(kind=kind, dataset_id=dataset_id, model_id=model_id)
        session.add(run)
        session.flush()
        run_id = run.id
    outcome = Outcome(model_id)
    try:
        yield outcome
    except BaseException as error:
        reason = error.text if isinstance(error, HeedfulError) else type(error).__name__
        outcome.detail["reason"] = reason
        finish(store, run_id, "failed", outcome)
        raise
    finish(store, run_id, "done", outcome)


def finish(store: Store, run_id: int, status: RunStatus, outcome: Outcome) -> None:
    with store.session() as session:
        run = session.get_one(Run, run_id)
        run.status = status
        run.model_id = outcome.model_id
        run.detail = outcome.detail
        run.ended_at = utc_now()
