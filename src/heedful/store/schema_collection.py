"""The tables of collection: replies that can be spoken of, moods, scores, feedback, and counters. The other tables are in `schema`.

All but the counters belong to a person and go with them. Numbers stand open, words are sealed with the person's key.
"""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import CheckConstraint, Float, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from heedful.conversation import FinishReason
from heedful.store.schema import NEVER_REUSED, Base, utc_now

Moment = Literal["before", "after"]
Thumb = Literal["up", "down"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)
THUMBS: tuple[Thumb, ...] = get_args(Thumb)


class ReplyRow(Base):
    """An answer in a kept conversation, under the id that its client knows: that of the chat completion, or one given when it came.

    `ending` is stop, or length where the reply was cut. `tail` is a keyed hash of person, question and answer: by it the next turn
    of a chat finds the conversation that it goes on with.
    """

    __tablename__ = "replies"
    __table_args__ = (
        UniqueConstraint("conversation_id", "position"),
        CheckConstraint("ending IN ('stop', 'length')", name="ending"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int]
    model: Mapped[str] = mapped_column(Text)  # the version that answered; empty where nobody said
    ending: Mapped[FinishReason] = mapped_column(String(8), default="stop")
    tail: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Mood(Base):
    """How a person felt before or after, from 0 (as bad as can be) to 10. The newest of a conversation and moment counts."""

    __tablename__ = "moods"
    __table_args__ = (
        CheckConstraint("moment IN ('before', 'after')", name="moment"),
        CheckConstraint("value BETWEEN 0 AND 10", name="value"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), index=True)
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    moment: Mapped[Moment] = mapped_column(String(8))
    value: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Assessment(Base):
    """The total of a questionnaire. `instrument` is its name as `instruments` spells it; `taken_at` is when it was filled in."""

    __tablename__ = "assessments"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), index=True)
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    instrument: Mapped[str] = mapped_column(String(32), index=True)
    score: Mapped[float] = mapped_column(Float)
    taken_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Feedback(Base):
    """What somebody said to one reply; the newest thumb counts. `corrected`: a better one stands in `corrections`."""

    __tablename__ = "feedback"
    __table_args__ = (CheckConstraint("thumb IN ('up', 'down')", name="thumb"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)  # random; the comment is sealed to it
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    reply_id: Mapped[str] = mapped_column(ForeignKey("replies.id", ondelete="CASCADE"), index=True)
    thumb: Mapped[Thumb | None] = mapped_column(String(8))
    corrected: Mapped[bool]
    sealed_comment: Mapped[bytes | None]
    actor: Mapped[str] = mapped_column(String(64))  # the key that sent it, never a name of a person
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class CollectionCount(Base):
    """How often something came on a day (UTC), kept or not. Of whom is not there, so it stays when somebody does not agree, or is
    erased."""

    __tablename__ = "collection_counts"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    kind: Mapped[str] = mapped_column(String(48), primary_key=True)
    kept: Mapped[bool] = mapped_column(primary_key=True)
    count: Mapped[int]
