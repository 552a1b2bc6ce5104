"""Conversations in and out of the store, streaming: memory holds one batch, never the whole file. Texts are sealed on the way in.

A conversation is known by (fingerprint, occurrence): a keyed hash of its person and its texts, and how many equal ones came before
it within one import. So a second import of the same file adds nothing, while a file that holds the same conversation twice keeps
both: the dataset build counts the second one as a duplicate, in the open. Two persons who wrote the same keep one each, so that one
can be erased without the other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from sqlalchemy import ColumnElement, Select, and_, false, func, insert, select, update
from sqlalchemy.orm import Session

from heedful.conversation import Conversation, Message
from heedful.store.batches import batches
from heedful.store.cipher import Key, seal, unseal
from heedful.store.occurrences import counting
from heedful.store.persons import Known, find_or_add_persons
from heedful.store.schema import Basis, ConversationRow, Import, MessageRow
from heedful.store.schema_review import Correction
from heedful.store.schema_trust import DataKey
from heedful.store.vault import digest, find_key, make_keys, open_key, open_keys

BATCH = 2_000  # rows a statement; ten bound values a row stay below SQLite's 32,766

Row = tuple[int, Conversation, str | None]  # row in the file, conversation, what the source calls the person
Identity = tuple[str, int]  # fingerprint, occurrence


@dataclass(frozen=True, slots=True)
class Stored:
    """A conversation as the store knows it. `person` is the id of whose it is; `format` is that of the file it came from."""

    id: int
    conversation: Conversation
    fingerprint: str
    person: int | None
    format: str


@dataclass(frozen=True, slots=True)
class Added:
    """How many conversations are new, were in the store already, or were left out because their person is erased.

    `persons` are the ids of those who are named by a row that is in the store now.
    """

    added: int
    known: int
    erased: int = 0
    persons: frozenset[int] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A conversation on its way in, with the key that seals it."""

    number: int
    conversation: Conversation
    person_id: int | None
    key_id: str


def add_conversations(session: Session, import_id: int, rows: Iterable[Row]) -> Added:
    """Store what is new. The caller's transaction covers all of it, so nothing is ever half imported.

    New conversations get the basis of the import. Known ones that had none get it too, if the import states one.
    """
    entry = session.get_one(Import, import_id)
    added = known = erased = 0
    persons: set[int] = set()
    with counting(session) as count:
        for batch in batches(rows, BATCH):
            part = add_batch(session, entry, batch, count)
            added, known, erased = added + part.added, known + part.known, erased + part.erased
            persons |= part.persons
    return Added(added, known, erased, frozenset(persons))


def add_batch(session: Session, entry: Import, batch: Sequence[Row], count: Callable[[Sequence[str]], list[int]]) -> Added:
    named = find_or_add_persons(session, {person for _, _, person in batch if person is not None})
    open_keys(session, {person.key_id for person in named.values() if person.key_id is not None})
    taken = [row for row in batch if row[2] is None or not named[row[2]].erased]
    fingerprints = [fingerprint_of(session, conversation, person) for _, conversation, person in taken]
    identified: dict[Identity, Row] = dict(zip(zip(fingerprints, count(fingerprints), strict=True), taken, strict=True))
    stored = stored_identities(session, set(fingerprints))
    state_basis(session, entry.basis, stored & identified.keys())
    fresh = {identity: prepare(session, entry, row, named) for identity, row in identified.items() if identity not in stored}
    if fresh:
        insert_messages(session, insert_rows(session, entry, fresh), fresh)
    persons = frozenset(named[person].id for _, _, person in taken if person is not None)
    return Added(len(fresh), len(identified) - len(fresh), len(batch) - len(taken), persons)


def iterate_conversations(
    session: Session, ids: Select[int] | Sequence[int] | None = None, corrected: bool = False
) -> Iterator[Stored]:
    """All conversations, or those with these ids, in the order of ids; messages in their order. Reads a batch at a time.

    `ids` may be a query too, for instance `store.consent.permitted("training")`. `corrected`: what a reviewer wrote stands in place
    of what came.
    """
    conversation = (
        ConversationRow.id,
        ConversationRow.fingerprint,
        ConversationRow.occurrence,
        ConversationRow.person_id,
        Import.format,
        ConversationRow.sealed_group,
        DataKey.id,
        DataKey.sealed_key,
    )
    query = (
        select(*conversation, MessageRow.position, MessageRow.role, MessageRow.sealed_content, Correction.sealed_content)
        .join(Import, Import.id == ConversationRow.import_id)
        .join(DataKey, DataKey.id == ConversationRow.key_id)
        .outerjoin(MessageRow, MessageRow.conversation_id == ConversationRow.id)
        .outerjoin(Correction, corrections_of_message(corrected))
        .order_by(ConversationRow.id, MessageRow.position)
        .execution_options(yield_per=BATCH)
    )
    if ids is not None:
        query = query.where(ConversationRow.id.in_(ids))
    for head, turns in groupby(session.execute(query), key=itemgetter(*range(len(conversation)))):
        conversation_id, fingerprint, occurrence, person, form, sealed_group, key_id, sealed_key = head
        key, place = open_key(session, key_id, sealed_key), f"{fingerprint}:{occurrence}"
        # The outer join gives a conversation without messages one turn of nulls; no conversation is lost on the way.
        messages = tuple(
            Message(role, unseal(key, sealed, place_of_message(place, position, role)).decode())
            if correction is None
            else Message(role, unseal(key, correction, place_of_correction(place, position)).decode())
            for *_, position, role, sealed, correction in turns
            if role is not None
        )
        group = unseal(key, sealed_group, f"group:{place}").decode()
        yield Stored(conversation_id, Conversation(messages, group), fingerprint, person, form)


def corrections_of_message(wanted: bool) -> ColumnElement[bool]:
    """The condition that joins them; one that never holds when they are not wanted."""
    same = and_(Correction.conversation_id == MessageRow.conversation_id, Correction.position == MessageRow.position)
    return same if wanted else and_(same, false())


def fingerprint_of(session: Session, conversation: Conversation, person: str | None) -> str:
    whose = "" if person is None else person
    return digest(session, "conversation", f"{whose}\0{conversation.fingerprint()}")


def stored_identities(session: Session, fingerprints: Iterable[str]) -> set[Identity]:
    query = select(ConversationRow.fingerprint, ConversationRow.occurrence).where(ConversationRow.fingerprint.in_(fingerprints))
    return set(session.execute(query))


def state_basis(session: Session, basis: Basis, identities: Iterable[Identity]) -> None:
    """Give conversations that are known, but were never given a basis, the one that is stated now."""
    fingerprints = {fingerprint for fingerprint, _ in identities}
    if basis == "none" or not fingerprints:
        return
    unstated = ConversationRow.fingerprint.in_(fingerprints) & (ConversationRow.basis == "none")
    session.execute(update(ConversationRow).where(unstated).values(basis=basis))


def prepare(session: Session, entry: Import, row: Row, named: Mapping[str, Known]) -> Fresh:
    """Choose the key: the person's own, or the one of the import, which is made when the first row without a person comes."""
    number, conversation, name = row
    if name is not None:
        person = named[name]
        assert person.key_id is not None, "rows of erased persons are left out before"
        return Fresh(number, conversation, person.id, person.key_id)
    if entry.key_id is None:
        (entry.key_id,) = make_keys(session, 1)
    return Fresh(number, conversation, None, entry.key_id)


def insert_rows(session: Session, entry: Import, fresh: Mapping[Identity, Fresh]) -> dict[Identity, int]:
    """Ids of the new conversations. RETURNING promises no order, so they are matched by identity."""
    values = [
        {
            "person_id": row.person_id,
            "import_id": entry.id,
            "row": row.number,
            "fingerprint": fingerprint,
            "occurrence": occurrence,
            "basis": entry.basis,
            "key_id": row.key_id,
            "sealed_group": seal(key_of(session, row), row.conversation.group.encode(), f"group:{fingerprint}:{occurrence}"),
        }
        for (fingerprint, occurrence), row in fresh.items()
    ]
    statement = insert(ConversationRow).returning(ConversationRow.id, ConversationRow.fingerprint, ConversationRow.occurrence)
    return {(fingerprint, occurrence): key for key, fingerprint, occurrence in session.execute(statement, values)}


def insert_messages(session: Session, ids: Mapping[Identity, int], fresh: Mapping[Identity, Fresh]) -> None:
    values = []
    for identity, row in fresh.items():
        key, place = key_of(session, row), f"{identity[0]}:{identity[1]}"
        for position, message in enumerate(row.conversation.messages):
            sealed = seal(key, message.content.encode(), place_of_message(place, position, message.role))
            values.append({"conversation_id": ids[identity], "position": position, "role": message.role, "sealed_content": sealed})
    if values:
        session.execute(insert(MessageRow), values)


def append_messages(session: Session, conversation_id: int, messages: Sequence[Message]) -> int:
    """A conversation that goes on. Returns the position of the first new message."""
    row = session.get_one(ConversationRow, conversation_id)
    key, place = find_key(session, row.key_id), f"{row.fingerprint}:{row.occurrence}"
    start = session.scalar(select(func.count()).where(MessageRow.conversation_id == conversation_id)) or 0
    for position, message in enumerate(messages, start):
        sealed = seal(key, message.content.encode(), place_of_message(place, position, message.role))
        session.add(MessageRow(conversation_id=conversation_id, position=position, role=message.role, sealed_content=sealed))
    session.flush()
    return start


def key_of(session: Session, row: Fresh) -> Key:
    return find_key(session, row.key_id)


def place_of_correction(conversation: str, position: int) -> str:
    return f"correction:{conversation}:{position}"


def place_of_message(conversation: str, position: int, role: str) -> str:
    return f"message:{conversation}:{position}:{role}"
