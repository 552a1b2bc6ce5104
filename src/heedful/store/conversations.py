"""Conversations in and out of the store, streaming: memory holds one batch, never the whole file.

A conversation is known by (fingerprint, occurrence), where occurrence counts equal conversations within one import from 0. So a
second import of the same file adds nothing, while a file that holds the same conversation twice keeps both: the dataset build
counts the second one as a duplicate, in the open.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from heedful.conversation import Conversation, Message
from heedful.store.batches import batches
from heedful.store.schema import ConversationRow, MessageRow, Person

BATCH = 2_000  # rows a statement; three bound values a row stay below SQLite's 32,766

Row = tuple[int, Conversation, str | None]  # row in the file, conversation, key of the person
Identity = tuple[str, int]  # fingerprint, occurrence


@dataclass(frozen=True, slots=True)
class Added:
    """How many conversations are new, and how many were in the store already."""

    added: int
    known: int


def add_conversations(session: Session, import_id: int, rows: Iterable[Row]) -> Added:
    """Store what is new. The caller's transaction covers all of it, so nothing is ever half imported."""
    added = known = 0
    occurrences: Counter[str] = Counter()
    for batch in batches(rows, BATCH):
        identified = {identify(conversation, occurrences): (number, conversation, person) for number, conversation, person in batch}
        stored = stored_identities(session, {fingerprint for fingerprint, _ in identified})
        fresh = {identity: row for identity, row in identified.items() if identity not in stored}
        if fresh:
            insert_messages(session, insert_rows(session, import_id, fresh), fresh)
        added += len(fresh)
        known += len(identified) - len(fresh)
    return Added(added, known)


def iterate_conversations(session: Session) -> Iterator[tuple[int, Conversation]]:
    """(id, conversation) in the order of ids, messages in their order. Reads a batch at a time."""
    query = (
        select(ConversationRow.id, ConversationRow.group_key, MessageRow.role, MessageRow.content)
        .outerjoin(MessageRow, MessageRow.conversation_id == ConversationRow.id)
        .order_by(ConversationRow.id, MessageRow.position)
        .execution_options(yield_per=BATCH)
    )
    for (key, group), turns in groupby(session.execute(query), key=itemgetter(0, 1)):
        # The outer join gives a conversation without messages one turn of nulls; no conversation is lost on the way.
        yield key, Conversation(tuple(Message(role, content) for _, _, role, content in turns if role is not None), group)


def identify(conversation: Conversation, occurrences: Counter[str]) -> Identity:
    fingerprint = conversation.fingerprint()
    occurrences[fingerprint] += 1
    return fingerprint, occurrences[fingerprint] - 1


def stored_identities(session: Session, fingerprints: Iterable[str]) -> set[Identity]:
    query = select(ConversationRow.fingerprint, ConversationRow.occurrence).where(ConversationRow.fingerprint.in_(fingerprints))
    return set(session.execute(query))


def insert_rows(session: Session, import_id: int, fresh: dict[Identity, Row]) -> dict[Identity, int]:
    """Ids of the new conversations. RETURNING promises no order, so they are matched by identity."""
    persons = person_ids(session, {person for _, _, person in fresh.values() if person is not None})
    values = [
        {
            "person_id": None if person is None else persons[person],
            "import_id": import_id,
            "row": number,
            "fingerprint": fingerprint,
            "occurrence": occurrence,
            "group_key": conversation.group,
        }
        for (fingerprint, occurrence), (number, conversation, person) in fresh.items()
    ]
    statement = insert(ConversationRow).returning(ConversationRow.id, ConversationRow.fingerprint, ConversationRow.occurrence)
    return {(fingerprint, occurrence): key for key, fingerprint, occurrence in session.execute(statement, values)}


def insert_messages(session: Session, ids: dict[Identity, int], fresh: dict[Identity, Row]) -> None:
    values = [
        {"conversation_id": ids[identity], "position": position, "role": message.role, "content": message.content}
        for identity, (_, conversation, _) in fresh.items()
        for position, message in enumerate(conversation.messages)
    ]
    if values:
        session.execute(insert(MessageRow), values)


def person_ids(session: Session, keys: set[str]) -> dict[str, int]:
    """Id of every person, known or new."""
    known = find_persons(session, keys)
    missing = sorted(keys - known.keys())
    if not missing:
        return known
    session.execute(insert(Person), [{"key": key} for key in missing])
    return known | find_persons(session, missing)


def find_persons(session: Session, keys: Iterable[str]) -> dict[str, int]:
    return dict(session.execute(select(Person.key, Person.id).where(Person.key.in_(keys))).all())
