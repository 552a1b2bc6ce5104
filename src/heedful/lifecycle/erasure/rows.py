"""Rows: a person in; everything that the database holds of them gone, in the caller's transaction, and counts of it out."""

from typing import Any

from sqlalchemy import JSON, ForeignKeyConstraint, String, Table, delete, select, update
from sqlalchemy.orm import Session

from heedful.dataset.look import own_keys
from heedful.lifecycle.erasure.affected import conversations_of
from heedful.lifecycle.erasure.traces import names
from heedful.store.assignments import forget
from heedful.store.conversations import iterate_conversations
from heedful.store.handovers import forget_subject
from heedful.store.schema import Base, ConversationRow, DatasetVersion, Import, Person, Run
from heedful.store.schema_trust import DataKey

# Numbers that outlive a person, or nobody could tell what was decided, learned and erased; and conversations, which go last.
STAYING = {"consent_events", "memberships", "erasures", "conversations"}
REMOVED = "(removed by an erasure)"


def remove_rows(session: Session, person_id: int) -> dict[str, int]:
    """Conversations, all that refers to them or to the person, the name and the key. Returns how many rows of each table went."""
    person = session.get_one(Person, person_id)
    counts = {"split_assignments": forget(session, keys_of_only(session, person_id))}
    for table in reversed(Base.metadata.sorted_tables):
        personal = [column == person_id for column in columns_to(table, Person) if table.name not in STAYING]
        for condition in [*personal, *(column.in_(conversations_of(person_id)) for column in columns_to(table, ConversationRow))]:
            gone = session.execute(delete(table).where(condition))
            counts[table.name] = counts.get(table.name, 0) + gone.rowcount  # type: ignore[attr-defined]
    gone = session.execute(delete(ConversationRow).where(ConversationRow.person_id == person_id))
    counts["conversations"] = gone.rowcount  # type: ignore[attr-defined]
    key_id, person.key_id, person.sealed_name = person.key_id, None, None
    session.flush()
    session.execute(delete(DataKey).where(DataKey.id == key_id))
    counts["data_keys"] = 1
    return counts


def columns_to(table: Table, referred: type[Base]) -> list[Any]:
    """Foreign keys to another table; looked up in the schema, so that a table of tomorrow is not forgotten."""
    constraints = (c for c in table.constraints if isinstance(c, ForeignKeyConstraint))
    return [column for c in constraints if c.referred_table.name == referred.__tablename__ for column in c.columns]


def keys_of_only(session: Session, person_id: int) -> set[str]:
    """What ties the person's conversations to a side of the split, and nobody else's."""
    hers: set[str] = set()
    theirs: set[str] = set()
    for one in iterate_conversations(session):
        (hers if one.person == person_id else theirs).update(own_keys(one.conversation, one.person))
    return {*hers, f"p:{person_id}"} - theirs


def forget_names(session: Session, name: str | None) -> int:
    """Paths of imports, reasons of runs and hand-overs that name the person."""
    changed = 0
    for entry in session.scalars(select(Import)):
        if names(entry.path, name):
            entry.path, changed = REMOVED, changed + 1
    for run in session.scalars(select(Run)):
        named = [key for key, value in run.detail.items() if names(str(value), name)]
        if named:
            run.detail = {**run.detail, **dict.fromkeys(named, REMOVED)}
            changed += 1
    return changed + (0 if name is None else forget_subject(session, name))


def mark_removed(session: Session, datasets: list[str], erasure_id: int) -> None:
    session.execute(update(DatasetVersion).where(DatasetVersion.id.in_(datasets)).values(erasure_id=erasure_id))


def count_naming(session: Session, name: str) -> int:
    """Rows of all tables with a word or a JSON value that names the person. What is sealed cannot."""
    count = 0
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, JSON | String)]
        if columns:
            count += sum(any(names(str(value), name) for value in row) for row in session.execute(select(*columns)))
    return count
