"""Assignments: the side of a question, group or person, frozen when a dataset with it is first built. Keys in, sides out.

A key is kept as its keyed hash, so that the table of a stolen database tells nothing of what anybody asked.
"""

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from heedful.store.batches import batches
from heedful.store.schema import Split, SplitAssignment
from heedful.store.vault import digest

BATCH = 5_000


def assignments(session: Session, keys: Iterable[str]) -> dict[str, Split]:
    """The sides of those of the keys that have one."""
    known = dict(session.execute(select(SplitAssignment.key, SplitAssignment.split)).all())
    hashed = ((key, digest(session, "split", key)) for key in keys)
    return {key: known[name] for key, name in hashed if name in known}


def freeze(session: Session, sides: Mapping[str, Split], moved: Collection[str] = ()) -> bool:
    """Keep new assignments, and change those of `moved`. False, and nothing is written, when another key stands elsewhere."""
    known = assignments(session, sides)
    if any(side != sides[key] and key not in moved for key, side in known.items()):
        return False
    for key in moved:
        session.execute(
            update(SplitAssignment).where(SplitAssignment.key == digest(session, "split", key)).values(split=sides[key])
        )
    fresh = ({"key": digest(session, "split", key), "split": side} for key, side in sides.items() if key not in known)
    for batch in batches(fresh, BATCH):
        session.execute(insert(SplitAssignment), batch)
    return True


def forget(session: Session, keys: Iterable[str]) -> int:
    """Remove assignments, when nobody is left who asked. Returns how many there were."""
    removed = 0
    for batch in batches((digest(session, "split", key) for key in keys), BATCH):
        gone = session.execute(delete(SplitAssignment).where(SplitAssignment.key.in_(batch)))
        removed += gone.rowcount  # type: ignore[attr-defined]
    return removed
