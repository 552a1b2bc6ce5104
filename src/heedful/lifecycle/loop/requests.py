"""Requests: somebody, a schedule, an erasure or new conversations in; a queued run of the loop out. And how things stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from heedful.config import WorkerSettings
from heedful.lifecycle.loop.schedule import is_due, next_time
from heedful.registry.retrains import open_retrains, retrains_due, withdrawn_from_champion
from heedful.store.consent import permitted
from heedful.store.schema import ConversationRow, ModelVersion, utc_now
from heedful.store.schema_runs import TrainingRun
from heedful.store.schema_trust import Membership, PlannedRetrain
from heedful.store.scope import not_uploaded
from heedful.store.training_runs import count_runs, enqueue, list_runs, running

SCHEDULE, TRIGGER, ERASURE, WITHDRAWAL = "schedule", "trigger", "erasure", "withdrawal"  # in place of a person, as who asked
AGAIN = timedelta(days=1)  # after a run that failed, what it was to train anew is asked for again
EVER = datetime.min.replace(tzinfo=UTC)
RECENT = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """How the loop stands. `waiting` counts conversations that came since the last run and may be trained on.

    `retrains` are those that erasures planned and nobody has done yet; `withdrawn` counts persons whom the champion learned from
    and who no longer allow it.
    """

    trained: bool
    total_runs: int
    running: TrainingRun | None
    recent: list[TrainingRun]
    next_run: datetime | None
    waiting: int
    retrains: list[PlannedRetrain]
    withdrawn: int


def request_loop(session: Session, requested_by: str, why: Mapping[str, Any] | None = None) -> TrainingRun:
    """A run of the loop; the one that waits already, if there is one, for it will see all that is new too."""
    waiting = list_runs(session, "loop", ["queued"], limit=1)
    if waiting:
        return waiting[0]
    return enqueue(session, "loop", {"seen": newest_conversation(session)}, requested_by, why)


def request_what_is_due(session: Session, settings: WorkerSettings, since: datetime) -> TrainingRun | None:
    """By the schedule, then for what is to be trained anew, then by the number of new conversations; None when nothing asks.

    `since`: when somebody began to look.
    """
    if list_runs(session, "loop", ["queued"], limit=1):
        return None
    if settings.schedule is not None and is_due(settings.schedule, last_scheduled(session, since), utc_now()):
        return request_loop(session, SCHEDULE)
    if settings.retrain and (anew := request_retrain(session)) is not None:
        return anew
    wanted = settings.after_conversations
    if wanted is not None and running(session) is None and count_waiting(session) >= wanted:
        return request_loop(session, TRIGGER)
    return None


def request_retrain(session: Session) -> TrainingRun | None:
    """One run, however many erasures and withdrawals there were since one began that could have served them."""
    since = last_try(session)
    if retrains_due(session, since):
        return request_loop(session, ERASURE, {"erasures": [plan.erasure_id for plan in open_retrains(session)]})
    persons = withdrawn_from_champion(session, since)
    return request_loop(session, WITHDRAWAL, {"persons": persons}) if persons else None


def last_try(session: Session) -> datetime:
    """When the newest run began that counts: one that failed does so for a day only."""
    began = func.coalesce(TrainingRun.started_at, TrainingRun.finished_at)
    counts = or_(TrainingRun.state != "failed", TrainingRun.finished_at > utc_now() - AGAIN)
    found = session.scalar(select(func.max(began)).where(TrainingRun.kind == "loop", counts))
    return EVER if found is None else found


def standing_of(session: Session, settings: WorkerSettings) -> Standing:
    now = utc_now()
    return Standing(
        trained=session.scalars(select(ModelVersion.id).limit(1)).first() is not None,
        total_runs=count_runs(session, "loop"),
        running=running(session),
        recent=list_runs(session, "loop", limit=RECENT),
        next_run=None if settings.schedule is None else next_time(settings.schedule, now),
        waiting=count_waiting(session),
        retrains=open_retrains(session),
        withdrawn=len(withdrawn_from_champion(session, EVER)),
    )


def run_as_dict(run: TrainingRun) -> dict[str, Any]:
    """For JSON: of the command line and of the API."""
    names = ("id", "kind", "state", "requested_by", "dataset_id", "model_id", "error", "metrics")
    times = ("requested_at", "started_at", "finished_at")
    shown = {name: getattr(run, name) for name in names}
    return {**shown, **{name: None if (at := getattr(run, name)) is None else at.isoformat(timespec="seconds") for name in times}}


def standing_as_dict(standing: Standing, worker: bool) -> dict[str, Any]:
    """`worker`: whether somebody is there who carries runs out."""
    ended = [run for run in standing.recent if run.finished_at is not None]
    return {
        "trained": standing.trained,
        "total_runs": standing.total_runs,
        "worker": worker,
        "running": None if standing.running is None else run_as_dict(standing.running),
        "last_run": run_as_dict(ended[0]) if ended else None,
        "next_run": None if standing.next_run is None else standing.next_run.isoformat(timespec="seconds"),
        "new_records": standing.waiting,
        "open_retrains": [retrain_as_dict(plan) for plan in standing.retrains],
        "withdrawn": standing.withdrawn,
        "recent_runs": [run_as_dict(run) for run in standing.recent],
    }


def retrain_as_dict(plan: PlannedRetrain) -> dict[str, Any]:
    return {"model": plan.model_id, "erasure": plan.erasure_id, "planned_at": plan.created_at.isoformat(timespec="seconds")}


def last_scheduled(session: Session, since: datetime) -> datetime:
    """When the schedule was obeyed last; a worker that never did so does not make up for the past."""
    query = select(func.max(TrainingRun.requested_at)).where(TrainingRun.requested_by == SCHEDULE)
    found = session.scalar(query)
    return since if found is None else found


def count_waiting(session: Session, before: str | None = None) -> int:
    """Conversations that may be trained on and came after all that was looked at, by the newest run or the one before `before`.

    An older one whose person consents only now is not counted; the next run takes it all the same.
    """
    new = permitted("training").where(ConversationRow.id > last_seen(session, before)).subquery()
    return session.scalar(select(func.count()).select_from(new)) or 0


def last_seen(session: Session, before: str | None) -> int:
    """The newest conversation that a run looked at, or that any model learned from or was judged by."""
    runs = list_runs(session, "loop", limit=1, after=before)
    not_of_jobs = Membership.conversation_id.not_in(select(ConversationRow.id).where(~not_uploaded()))
    seen: Any = runs[0].metrics.get("seen", runs[0].request["seen"]) if runs else 0
    return max(int(seen), session.scalar(select(func.max(Membership.conversation_id)).where(not_of_jobs)) or 0)


def newest_conversation(session: Session) -> int:
    return session.scalar(select(func.max(ConversationRow.id))) or 0
