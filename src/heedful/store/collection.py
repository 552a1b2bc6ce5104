"""Collection: what comes from a running companion, in; rows of a person who agreed, or a counter and nothing else, out.

Keeping rests on the purpose `chat`: turns, moods, scores and feedback are kept while the person's newest decision is `granted`.
Learning from it needs `training` as well, which the dataset build asks. All functions work in the caller's transaction, so that a
withdrawal or an erasure comes before or after, never in between.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from heedful.conversation import Conversation, FinishReason, Message
from heedful.errors import StatementRefused
from heedful.store.consent import newest_decision
from heedful.store.conversations import Fresh, append_messages, fingerprint_of, insert_messages, insert_rows
from heedful.store.counters import count
from heedful.store.persons import Known, find_person
from heedful.store.schema import ConversationRow, Import, MessageRow, Person, Purpose, utc_now
from heedful.store.schema_collection import Assessment, Feedback, Moment, Mood, ReplyRow
from heedful.store.vault import digest

KEEPING: Purpose = "chat"
COLLECTED = "collected"  # format of the one import that all collected conversations belong to
NO_CONSENT = "the person did not agree that chats are kept"


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked, without the words of the system, and what was answered. `reply` is the id that the client knows."""

    person: str
    messages: tuple[Message, ...]
    answer: str
    reply: str
    model: str
    ending: FinishReason


@dataclass(frozen=True, slots=True)
class Told:
    """A conversation that a client tells as a whole. `model`: which version answered, if it says so."""

    person: str
    conversation: Conversation
    model: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """Whose statement it is and, where there is one, the conversation: by its number, or by one of its replies."""

    person: str
    conversation: int | None = None
    reply: str | None = None


def agreed(session: Session, name: str) -> Known | None:
    """The person, if what comes from them may be kept."""
    person = find_person(session, name)
    return person if person is not None and agrees(session, person.id) else None


def agrees(session: Session, person_id: int) -> bool:
    """Not from the moment on in which an erasure begins, though the key is there until it has removed the rows."""
    erased_at = session.scalar(select(Person.erased_at).where(Person.id == person_id))
    return erased_at is None and newest_decision(session, person_id, KEEPING) == "granted"


def keep_turn(session: Session, turn: Turn) -> int | None:
    """The conversation that the turn went into: the one it goes on with, or a new one. None: not kept, only counted."""
    person = agreed(session, turn.person)
    count(session, "turn", kept=person is not None)
    if person is None:
        return None
    turns = tuple(message for message in turn.messages if message.role != "system")
    answered = Message("assistant", turn.answer)
    before = goes_on(session, person, turns)
    if before is None:
        identity = digest(session, "conversation", f"reply\0{turn.reply}")
        conversation_id = insert_one(session, person, Conversation((*turns, answered)), identity)
        position = len(turns)
    else:
        conversation_id, said = before
        position = append_messages(session, conversation_id, (*turns[said:], answered)) + len(turns) - said
    tail = tail_of(session, person, (*turns, answered), len(turns))
    session.add(
        ReplyRow(id=turn.reply, conversation_id=conversation_id, position=position, model=turn.model, ending=turn.ending, tail=tail)
    )
    session.flush()
    return conversation_id


def goes_on(session: Session, person: Known, turns: Sequence[Message]) -> tuple[int, int] | None:
    """(conversation, how many of `turns` it holds already): the newest one that ends with the last answer in `turns`.

    So a client that sends a shortened history is understood too, and one that asks again in the middle begins a conversation of its
    own.
    """
    last = next((at for at in reversed(range(len(turns))) if turns[at].role == "assistant"), None)
    if last is None:
        return None
    ends = select(func.max(MessageRow.position)).where(MessageRow.conversation_id == ReplyRow.conversation_id).scalar_subquery()
    query = (
        select(ReplyRow.conversation_id)
        .where(ReplyRow.tail == tail_of(session, person, turns, last), ReplyRow.position == ends)
        .order_by(ReplyRow.conversation_id.desc())
        .limit(1)
    )
    found = session.scalars(query).first()
    return None if found is None else (found, last + 1)


def tail_of(session: Session, person: Known, turns: Sequence[Message], answer: int) -> str:
    """A keyed hash of the person, the answer at that place and the question before it."""
    question = next((turn.content for turn in reversed(turns[:answer]) if turn.role == "user"), "")
    return digest(session, "tail", json.dumps([person.id, question, turns[answer].content]))


def keep_conversation(session: Session, told: Told) -> int | None:
    """Its number; one that is known already keeps its own. None: not kept, only counted."""
    person = agreed(session, told.person)
    count(session, "conversation", kept=person is not None)
    if person is None:
        return None
    identity = fingerprint_of(session, told.conversation, told.person)
    known = session.scalar(
        select(ConversationRow.id).where(ConversationRow.fingerprint == identity, ConversationRow.occurrence == 0)
    )
    if known is not None:
        return known
    conversation_id = insert_one(session, person, told.conversation, identity)
    for position, message in enumerate(told.conversation.messages):
        if message.role == "assistant":
            tail = tail_of(session, person, told.conversation.messages, position)
            reply = f"reply-{uuid.uuid4().hex}"
            session.add(ReplyRow(id=reply, conversation_id=conversation_id, position=position, model=told.model, tail=tail))
    session.flush()
    return conversation_id


def insert_one(session: Session, person: Known, conversation: Conversation, identity: str) -> int:
    entry = session.scalars(select(Import).where(Import.format == COLLECTED)).first()
    if entry is None:
        entry = Import(path=COLLECTED, format=COLLECTED, sha256="", basis="consent")
        session.add(entry)
        session.flush()
    entry.rows, entry.added = entry.rows + 1, entry.added + 1
    assert person.key_id is not None, "nothing of an erased person is kept"
    fresh = {(identity, 0): Fresh(entry.rows, conversation, person.id, person.key_id)}
    ids = insert_rows(session, entry, fresh)
    insert_messages(session, ids, fresh)
    return ids[(identity, 0)]


def replies_of(session: Session, conversation_id: int) -> list[ReplyRow]:
    """In their order."""
    return list(session.scalars(select(ReplyRow).where(ReplyRow.conversation_id == conversation_id).order_by(ReplyRow.position)))


def keep_mood(session: Session, about: About, moment: Moment, value: int) -> Mood | None:
    """None: not kept, only counted. Raises StatementRefused for a conversation that is not the person's."""
    person = agreed(session, about.person)
    count(session, f"mood {moment}", kept=person is not None)
    if person is None:
        return None
    mood = Mood(person_id=person.id, conversation_id=place_of(session, person, about), moment=moment, value=value)
    session.add(mood)
    session.flush()
    return mood


def keep_assessment(
    session: Session, about: About, instrument: str, score: float, taken_at: datetime | None = None
) -> Assessment | None:
    """`instrument` and `score` as `instruments` checked them. Otherwise like `keep_mood`."""
    person = agreed(session, about.person)
    count(session, "assessment", kept=person is not None)
    if person is None:
        return None
    row = Assessment(
        person_id=person.id,
        conversation_id=place_of(session, person, about),
        instrument=instrument,
        score=score,
        taken_at=utc_now() if taken_at is None else taken_at,
    )
    session.add(row)
    session.flush()
    return row


def place_of(session: Session, person: Known, about: About) -> int | None:
    """The conversation that is meant; None when none is, or it was not kept. Raises StatementRefused for somebody else's."""
    found = about.conversation
    if about.reply is not None:
        found = session.scalar(select(ReplyRow.conversation_id).where(ReplyRow.id == about.reply))
    if found is None:
        return None
    owner = session.scalar(select(ConversationRow.person_id).where(ConversationRow.id == found))
    if owner != person.id:
        raise StatementRefused(f"conversation {found} is not one of this person", "conversation")
    return found


def count_statements(session: Session, person_id: int) -> dict[str, int]:
    """What is held of a person beside conversations, by kind."""
    hers = select(ConversationRow.id).where(ConversationRow.person_id == person_id)
    whose = {"moods": Mood.person_id == person_id, "assessments": Assessment.person_id == person_id}
    conditions = {**whose, "feedback": Feedback.conversation_id.in_(hers)}
    return {kind: session.scalar(select(func.count()).where(condition)) or 0 for kind, condition in conditions.items()}
