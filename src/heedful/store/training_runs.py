"""Training runs: a request in; a queue that one worker empties, with every change of state and what happened on the way, out.

queued -> running -> succeeded | failed | cancelled, and queued -> cancelled. A run that was left running by a killed process stays
running: whoever works next goes on with it. All functions work in the caller's transaction.
"""

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from heedful.errors import StatementRefused, StoreError
from heedful.store.audit import record
from heedful.store.schema import utc_now
from heedful.store.schema_runs import EventLevel, RunKind, RunState, TrainingRun, TrainingRunEvent

FOLLOWS: Mapping[RunState, tuple[RunState, ...]] = {
    "queued": ("running", "cancelled"),
    "running": ("succeeded", "failed", "cancelled"),
    "succeeded": (),
    "failed": (),
    "cancelled": (),
}
ENDED: tuple[RunState, ...] = ("succeeded", "failed", "cancelled")
STATE = "state"  # kind of the event that a change of state leaves


def enqueue(
    session: Session, kind: RunKind, request: Mapping[str, Any], requested_by: str, why: Mapping[str, Any] | None = None
) -> TrainingRun:
    """A new run at the end of the queue. `request`, and `why` for the trail, take ids and counts, never words of a person."""
    run = TrainingRun(id=f"run-{uuid.uuid4().hex[:12]}", kind=kind, request=dict(request), requested_by=requested_by)
    session.add(run)
    session.flush()
    record(session, requested_by, "training.requested", run.id, {"kind": kind, **({} if why is None else why)})
    tell_state(session, run)
    return run


def get_run(session: Session, run_id: str) -> TrainingRun:
    """Raises StatementRefused when there is none."""
    found = session.scalars(select(TrainingRun).where(TrainingRun.id == run_id)).first()
    if found is None:
        raise StatementRefused(f"there is no training run {run_id[:64]!r}", "run", "heedful worker --status lists the last ones")
    return found


def list_runs(
    session: Session,
    kind: RunKind | None = None,
    states: Collection[RunState] = (),
    limit: int | None = None,
    after: str | None = None,
) -> list[TrainingRun]:
    """The newest first; no states: all. `after` is the id of the last one of the page before.

    Raises StatementRefused for an unknown `after`.
    """
    query = select(TrainingRun).order_by(TrainingRun.number.desc()).limit(limit)
    if kind is not None:
        query = query.where(TrainingRun.kind == kind)
    if states:
        query = query.where(TrainingRun.state.in_(states))
    if after is not None:
        query = query.where(TrainingRun.number < get_run(session, after).number)
    return list(session.scalars(query))


def count_runs(session: Session, kind: RunKind | None = None) -> int:
    query = select(func.count()).select_from(TrainingRun)
    return session.scalar(query if kind is None else query.where(TrainingRun.kind == kind)) or 0


def running(session: Session) -> TrainingRun | None:
    """The one that runs, or that a killed worker left."""
    return session.scalars(select(TrainingRun).where(TrainingRun.state == "running")).first()


def claim_next(session: Session) -> TrainingRun | None:
    """The oldest queued one, running from now on; None when none waits, or while another one runs."""
    if running(session) is not None:
        return None
    waiting = session.scalars(select(TrainingRun).where(TrainingRun.state == "queued").order_by(TrainingRun.number)).first()
    if waiting is not None:
        set_state(session, waiting, "running")
    return waiting


def set_state(session: Session, run: TrainingRun, state: RunState, error: str | None = None) -> None:
    """Raises StoreError when that state does not follow; `error` is the line of what failed."""
    if state not in FOLLOWS[run.state]:
        allowed = " or ".join(FOLLOWS[run.state]) or "nothing"
        raise StoreError(f"training run {run.id} is {run.state}; it cannot become {state}, only {allowed}")
    run.state, run.error = state, error
    if state == "running":
        run.started_at = utc_now()
    if state in ENDED:
        run.finished_at = utc_now()
    session.flush()
    tell_state(session, run)


def note(
    session: Session, run_id: str, *, dataset_id: str | None = None, model_id: str | None = None, **metrics: Any
) -> TrainingRun:
    """Keep what came of the work so far: ids, and figures beside those that are kept already."""
    run = get_run(session, run_id)
    run.dataset_id = run.dataset_id if dataset_id is None else dataset_id
    run.model_id = run.model_id if model_id is None else model_id
    run.metrics = {**run.metrics, **metrics}
    session.flush()
    return run


def tell_state(session: Session, run: TrainingRun) -> None:
    level: EventLevel = "error" if run.state == "failed" else "info"
    message = f"the run is {run.state}" if run.error is None else f"the run {run.state}: {run.error}"
    append_event(session, run.id, STATE, message, level=level, data={"state": run.state}, key=f"state {run.state}")


def request_cancel(session: Session, run_id: str, actor: str) -> TrainingRun:
    """Cancel what is queued; ask the worker to end what runs. Asking twice is asking once.

    Raises StatementRefused when there is no such run or it has ended.
    """
    run = get_run(session, run_id)
    if run.state in ENDED:
        raise StatementRefused(f"training run {run.id} has ended ({run.state}), so there is nothing to cancel", "state")
    if run.cancel_requested_at is None:
        run.cancel_requested_at = utc_now()
        record(session, actor, "training.cancelled", run.id, {"kind": run.kind, "state": run.state})
    if run.state == "queued":
        set_state(session, run, "cancelled")
    return run


def append_event(
    session: Session,
    run_id: str,
    kind: str,
    message: str,
    *,
    level: EventLevel = "info",
    data: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> TrainingRunEvent | None:
    """`message` is a line of ours, `data` numbers and ids. None when the run has an event of this `key` already."""
    if key is not None and session.scalars(same_key(run_id, key)).first() is not None:
        return None
    event = TrainingRunEvent(
        run_id=run_id, kind=kind, key=key, level=level, message=message, data={} if data is None else dict(data)
    )
    session.add(event)
    session.flush()
    return event


def same_key(run_id: str, key: str) -> Any:
    return select(TrainingRunEvent.id).where(TrainingRunEvent.run_id == run_id, TrainingRunEvent.key == key)


def list_events(
    session: Session, run_id: str, kind: str | None = None, limit: int | None = None, after: int | None = None
) -> list[TrainingRunEvent]:
    """The newest first; `after` is the id of the last one of the page before."""
    query = select(TrainingRunEvent).where(TrainingRunEvent.run_id == run_id).order_by(TrainingRunEvent.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(TrainingRunEvent.kind == kind)
    if after is not None:
        query = query.where(TrainingRunEvent.id < after)
    return list(session.scalars(query))
