"""The audit trail: who did what to which thing, in; one row that nobody can change unseen, out.

Every event holds a hash of all its columns and of the hash before it (SHA-256 over canonical JSON), so that a changed, removed or
added row breaks the chain there. Whoever can rewrite the whole table can rewrite the chain too, so receipts and backups write down
its head: see `audit_check`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from heedful.store.schema import AuditEvent, Base, utc_now

START = "0" * 64  # what the first event has as the hash before it


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event of the chain; 0 and zeros for an empty one."""

    event: int
    hash: str


def record(session: Session, actor: str, action: str, subject: str, detail: Mapping[str, Any], rows: Sequence[Base] = ()) -> Head:
    """Append one event to the caller's transaction, so that the act and its trace are kept or lost together.

    `detail` takes ids, hashes and counts; never the text of a person, nor what a source calls them. `rows` are new rows of another
    append-only table, of one table and next to each other: the event vouches for them with a hash.
    """
    before = head(session)
    event = AuditEvent(
        id=before.event + 1,
        actor=actor,
        action=action,
        subject=subject,
        detail=json.loads(json.dumps({**detail, **vouch(rows)})),  # as the database will give it back
        created_at=utc_now(),
        previous=before.hash,
    )
    event.hash = hash_of(event)
    session.add(event)
    session.flush()
    return Head(event.id, event.hash)


def vouch(rows: Sequence[Base]) -> dict[str, Any]:
    """What an event says of the rows that it stands for."""
    if not rows:
        return {}
    ids = [row.id for row in rows]  # type: ignore[attr-defined]
    return {"rows": {"table": rows[0].__tablename__, "first": ids[0], "last": ids[-1], "sha256": hash_of_rows(rows)}}


def hash_of_rows(rows: Iterable[Base]) -> str:
    """SHA-256 over all columns of all rows."""
    content = hashlib.sha256()
    for row in rows:
        values = {column.key: getattr(row, column.key) for column in inspect(type(row)).columns}
        plain = {key: canonical_time(value) if isinstance(value, datetime) else value for key, value in values.items()}
        content.update(canonical(plain) + b"\n")
    return content.hexdigest()


def head(session: Session) -> Head:
    newest = session.execute(select(AuditEvent.id, AuditEvent.hash).order_by(AuditEvent.id.desc()).limit(1)).first()
    return Head(0, START) if newest is None else Head(*newest)


def hash_of(event: AuditEvent) -> str:
    """SHA-256 over all columns but the hash itself."""
    columns = {
        "id": event.id,
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "detail": event.detail,
        "created_at": canonical_time(event.created_at),
        "previous": event.previous,
    }
    return hashlib.sha256(canonical(columns)).hexdigest()


def canonical(value: object) -> bytes:
    """JSON with sorted keys, without spaces: equal bytes for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def canonical_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; None means any. An action also stands for those below it: `consent` for `consent.granted`."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    limit: int = 100


def list_events(session: Session, wanted: Wanted) -> list[AuditEvent]:
    """The newest that are wanted, oldest first."""
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(wanted.limit)
    if wanted.actor is not None:
        query = query.where(AuditEvent.actor == wanted.actor)
    if wanted.action is not None:
        query = query.where(
            (AuditEvent.action == wanted.action) | AuditEvent.action.startswith(f"{wanted.action}.", autoescape=True)
        )
    if wanted.subject is not None:
        query = query.where(AuditEvent.subject == wanted.subject)
    if wanted.since is not None:
        query = query.where(AuditEvent.created_at >= wanted.since)
    return list(reversed(session.scalars(query).all()))
