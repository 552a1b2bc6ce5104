"""Counters: a kind of thing that came, in; how often each came on which day, kept or not, out. Of nobody in particular."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.store.schema import utc_now
from heedful.store.schema_collection import CollectionCount


def count(session: Session, kind: str, kept: bool) -> None:
    """One more. `kind` is a word of ours, never one that came from outside."""
    key = {"day": utc_now().date().isoformat(), "kind": kind, "kept": kept}
    row = session.get(CollectionCount, tuple(key.values()))
    if row is None:
        session.add(CollectionCount(**key, count=1))
    else:
        row.count += 1
    session.flush()


def list_counts(session: Session, since: str) -> list[CollectionCount]:
    """From a day on (2026-11-20), in the order of days and kinds."""
    query = select(CollectionCount).where(CollectionCount.day >= since)
    return list(session.scalars(query.order_by(CollectionCount.day, CollectionCount.kind, CollectionCount.kept)))
