"""The tables of review: what awaits a reviewer, what was decided, and what was written in place of a message."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import NEVER_REUSED, Base, ReviewStatus, utc_now


class Correction(Base):
    """What a reviewer wrote in place of a message. Datasets are built with it; the message stays as it came."""

    __tablename__ = "corrections"

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    sealed_content: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ReviewItem(Base):
    """A conversation that met a rule, and what a reviewer said to it. `spans` are [position, start, end]; empty means all of it."""

    __tablename__ = "review_items"
    __table_args__ = (
        UniqueConstraint("conversation_id", "rule"),
        CheckConstraint("status IN ('awaiting', 'accepted', 'edited', 'rejected')", name="status"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    rule: Mapped[str] = mapped_column(String(32))
    spans: Mapped[list[list[int]]]
    status: Mapped[ReviewStatus] = mapped_column(default="awaiting")
    actor: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    decided_at: Mapped[datetime | None]
