"""Hand-overs: a danger in; an open case for the team, its acknowledgement, and the cases that nobody took in time, out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from heedful.errors import StoreError
from heedful.store.audit import record
from heedful.store.schema import utc_now
from heedful.store.schema_guards import Handover


@dataclass(frozen=True, slots=True)
class Danger:
    """What the team is told. `tier` is active or imminent; `kinds` and `rules` are names, never words of the person."""

    subject: str
    model: str
    tier: str
    kinds: Sequence[str]
    rules: Sequence[str]


def open_handover(session: Session, danger: Danger, minutes: float) -> tuple[Handover, bool]:
    """The open hand-over of this subject with the danger added, or a new one; and whether the team is to be told (again).

    A chat whose subject is unknown gets one for each danger. A rise to imminent starts the timer anew.
    """
    now = utc_now()
    there = open_of(session, danger.subject) if danger.subject else None
    if there is None:
        made = Handover(
            subject=danger.subject,
            model=danger.model,
            tier=danger.tier,
            detail={"kinds": list(danger.kinds), "rules": list(danger.rules)},
            due_at=now + timedelta(minutes=minutes),
        )
        session.add(made)
        session.flush()
        record(session, "companion", "handover.opened", f"handover {made.id}", {"tier": danger.tier, "kinds": list(danger.kinds)})
        return made, True
    rises = there.tier != "imminent" and danger.tier == "imminent"
    there.turns, there.last_at = there.turns + 1, now
    there.detail = {name: sorted({*there.detail[name], *more}) for name, more in (("kinds", danger.kinds), ("rules", danger.rules))}
    if rises:
        there.tier, there.due_at, there.fell_back_at = "imminent", now + timedelta(minutes=minutes), None
    return there, rises


def open_of(session: Session, subject: str) -> Handover | None:
    query = select(Handover).where(Handover.subject == subject, Handover.acknowledged_at.is_(None))
    return session.scalars(query.order_by(Handover.id.desc())).first()


def acknowledge(session: Session, handover_id: int, actor: str) -> Handover:
    """Somebody takes care of it. Raises StoreError when there is none of that number, or when somebody else took it."""
    found = session.get(Handover, handover_id)
    if found is None:
        raise StoreError(f"there is no hand-over {handover_id}", "heedful handover list")
    if found.acknowledged_at is not None:
        raise StoreError(
            f"hand-over {handover_id} was acknowledged by {found.acknowledged_by} at {found.acknowledged_at:%Y-%m-%d %H:%M} UTC",
            "heedful handover list",
        )
    found.acknowledged_at, found.acknowledged_by = utc_now(), actor
    record(session, actor, "handover.acknowledged", f"handover {handover_id}", {"tier": found.tier, "turns": found.turns})
    return found


def list_handovers(session: Session, every: bool = False) -> list[Handover]:
    """Open ones, the most urgent first; or all, the newest first."""
    if every:
        return list(session.scalars(select(Handover).order_by(Handover.id.desc())))
    return list(session.scalars(select(Handover).where(Handover.acknowledged_at.is_(None)).order_by(Handover.due_at)))


def take_overdue(session: Session, now: datetime) -> list[Handover]:
    """Those that nobody acknowledged in time, each only once: whoever gets them runs the fall-back."""
    waiting = (Handover.acknowledged_at.is_(None), Handover.fell_back_at.is_(None), Handover.due_at <= now)
    found = list(session.scalars(select(Handover).where(*waiting).order_by(Handover.due_at)))
    for one in found:
        one.fell_back_at = now
        record(session, "heedful", "handover.unanswered", f"handover {one.id}", {"tier": one.tier, "turns": one.turns})
    return found


def forget_subject(session: Session, subject: str) -> int:
    """Hand-overs of an erased person stay as counts. Returns how many there were."""
    gone = session.execute(update(Handover).where(Handover.subject == subject).values(subject=""))
    return int(gone.rowcount)  # type: ignore[attr-defined]
