"""Feedback: what somebody says to a reply, in; a row whose words are sealed, and a correction for the next dataset, out."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.errors import StatementRefused
from heedful.store.audit import record
from heedful.store.collection import agrees
from heedful.store.counters import count
from heedful.store.reviews import correct
from heedful.store.schema import ConversationRow
from heedful.store.schema_collection import Feedback, ReplyRow, Thumb
from heedful.store.schema_review import Correction
from heedful.store.vault import seal_text, unseal_text

BATCH = 2_000
DISLIKED, CUT = "disliked_reply", "cut_reply"  # rules of a review
LONGEST = 2**31 - 1  # characters: a place that ends there is a whole message


@dataclass(frozen=True, slots=True)
class Said:
    """`reply` is the id of a chat completion, or of a reply in a conversation that was told. `over`: may replace a correction of
    somebody else."""

    reply: str
    actor: str
    thumb: Thumb | None = None
    comment: str = ""
    corrected: str = ""
    over: bool = False

    def kinds(self) -> list[str]:
        """What is counted."""
        thumb = [] if self.thumb is None else [f"thumb {self.thumb}"]
        return [*thumb, *(["comment"] if self.comment else []), *(["correction"] if self.corrected else [])]


def keep_feedback(session: Session, said: Said) -> Feedback | None:
    """None: the reply was not kept, or its person no longer agrees; then it is only counted.

    Raises StatementRefused for a correction of a reply that somebody else corrected.
    """
    reply = session.get(ReplyRow, said.reply)
    row = None if reply is None else agreed_conversation(session, reply.conversation_id)
    for kind in said.kinds():
        count(session, kind, kept=row is not None)
    if reply is None or row is None:
        return None
    made = Feedback(
        id=f"fb-{uuid.uuid4().hex}",
        conversation_id=row.id,
        reply_id=reply.id,
        thumb=said.thumb,
        corrected=bool(said.corrected),
        actor=said.actor,
    )
    if said.comment:
        made.sealed_comment = seal_text(session, row.key_id, said.comment, place_of_comment(made.id))
    if said.corrected:
        check_free(session, reply, said)
        correct(session, row.id, {reply.position: said.corrected})
        record(session, said.actor, "correction", f"conversation {row.id}", {"position": reply.position})
    session.add(made)
    session.flush()
    return made


def agreed_conversation(session: Session, conversation_id: int) -> ConversationRow | None:
    row = session.get_one(ConversationRow, conversation_id)
    return row if row.person_id is not None and agrees(session, row.person_id) else None


def check_free(session: Session, reply: ReplyRow, said: Said) -> None:
    """A client may better its own correction, not that of a reviewer or of another client."""
    if said.over or session.get(Correction, (reply.conversation_id, reply.position)) is None:
        return
    query = select(Feedback.actor).where(Feedback.reply_id == reply.id, Feedback.corrected)
    if session.scalars(query.order_by(Feedback.created_at.desc())).first() != said.actor:
        raise StatementRefused("somebody else has corrected this reply already", "corrected")


def replies_to_look_at(session: Session) -> dict[int, dict[str, list[tuple[int, int, int]]]]:
    """Conversation -> rule -> places, whole messages: what should be learned only after somebody looked. Not what was corrected."""
    newest = select(Feedback.thumb).where(Feedback.reply_id == ReplyRow.id, Feedback.thumb.is_not(None))
    thumb = newest.order_by(Feedback.created_at.desc(), Feedback.id).limit(1).scalar_subquery()
    corrected = select(Correction.position).where(
        Correction.conversation_id == ReplyRow.conversation_id, Correction.position == ReplyRow.position
    )
    conditions = {DISLIKED: thumb == "down", CUT: ReplyRow.ending == "length"}
    found: dict[int, dict[str, list[tuple[int, int, int]]]] = {}
    for rule, condition in conditions.items():
        query = select(ReplyRow.conversation_id, ReplyRow.position).where(condition, ~corrected.exists())
        for conversation, position in session.execute(query.order_by(ReplyRow.conversation_id, ReplyRow.position)):
            found.setdefault(conversation, {}).setdefault(rule, []).append((position, 0, LONGEST))
    return found


def comments_of(session: Session) -> Iterator[tuple[int | None, str]]:
    """(person, comment) of all feedback with words."""
    query = (
        select(Feedback.id, Feedback.sealed_comment, ConversationRow.person_id, ConversationRow.key_id)
        .join(ConversationRow, ConversationRow.id == Feedback.conversation_id)
        .where(Feedback.sealed_comment.is_not(None))
        .execution_options(yield_per=BATCH)
    )
    for feedback, sealed, person, key_id in session.execute(query):
        assert sealed is not None, "the query asks for it"
        yield person, unseal_text(session, key_id, sealed, place_of_comment(feedback))


def place_of_comment(feedback_id: str) -> str:
    return f"comment:{feedback_id}"
