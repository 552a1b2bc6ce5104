"""Audit check: the trail and the heads that were written down elsewhere, in; every place where they do not agree, out.

Three things are compared: each event with its own hash and the one before it; the rows of other append-only tables with the event
that vouches for them; and the chain with its anchors, for only those tell that the newest events were cut off or all was rewritten.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from heedful.store.audit import START, Head, hash_of, hash_of_rows
from heedful.store.schema import AliasEvent, AuditEvent
from heedful.store.schema_experiments import Experiment, ExperimentEnd
from heedful.store.schema_trust import ConsentEvent, QuarantineEvent

VOUCHED_FOR = (AliasEvent, ConsentEvent, QuarantineEvent, Experiment, ExperimentEnd)
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong. `event` is the id in the trail, or None where an event is missing."""

    event: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head of the chain that was written down outside of the database, and where."""

    origin: str
    head: Head


def check_trail(session: Session, anchors: Iterable[Anchor] = ()) -> list[Finding]:
    """Empty when all is as it was written."""
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.id).execution_options(yield_per=BATCH))
    wanted = list(anchors)
    seen: dict[int, str] = {}
    vouched: dict[str, int] = {}
    findings: list[Finding] = []
    before = Head(0, START)
    for event in events:
        findings += check_link(event, before)
        findings += check_rows(session, event, vouched)
        if any(anchor.head.event == event.id for anchor in wanted):
            seen[event.id] = event.hash
        before = Head(event.id, event.hash)
    findings += check_vouched(session, vouched)
    return [*findings, *check_anchors(wanted, seen)]


def check_link(event: AuditEvent, before: Head) -> Iterator[Finding]:
    if event.id != before.event + 1:
        yield Finding(event.id, f"event {event.id} follows event {before.event}: events between them were removed")
    elif event.previous != before.hash:
        yield Finding(event.id, f"event {event.id} does not follow from event {before.event}: one of them was rewritten")
    if hash_of(event) != event.hash:
        yield Finding(event.id, f"event {event.id} was changed after it was written")


def check_rows(session: Session, event: AuditEvent, vouched: dict[str, int]) -> Iterator[Finding]:
    """The rows that the event vouches for. `vouched` counts, for each table, how many rows had an event so far."""
    said = event.detail.get("rows")
    if not isinstance(said, dict):  # a number there counts the rows of a file
        return
    table = next((table for table in VOUCHED_FOR if table.__tablename__ == said.get("table")), None)
    if table is None:
        return
    rows = session.scalars(select(table).where(table.id >= said["first"], table.id <= said["last"]).order_by(table.id)).all()
    vouched[table.__tablename__] = vouched.get(table.__tablename__, 0) + len(rows)
    if hash_of_rows(rows) != said["sha256"]:
        span = f"{said['first']}" if said["first"] == said["last"] else f"{said['first']} to {said['last']}"
        yield Finding(event.id, f"{table.__tablename__} {span} is not what event {event.id} vouches for: changed or removed")


def check_vouched(session: Session, vouched: dict[str, int]) -> Iterator[Finding]:
    for table in VOUCHED_FOR:
        there = session.scalar(select(func.count()).select_from(table)) or 0
        extra = there - vouched.get(table.__tablename__, 0)
        if extra > 0:
            yield Finding(
                None, f"{table.__tablename__} has {extra} rows that no event vouches for: they were added past the program"
            )


def check_anchors(anchors: Iterable[Anchor], seen: dict[int, str]) -> Iterator[Finding]:
    for anchor in anchors:
        if anchor.head.event == 0:
            continue
        if anchor.head.event not in seen:
            yield Finding(None, f"{anchor.origin} names event {anchor.head.event}, which is gone: the trail was cut off")
        elif seen[anchor.head.event] != anchor.head.hash:
            yield Finding(
                anchor.head.event, f"event {anchor.head.event} is not the one that {anchor.origin} names: it was rewritten"
            )
