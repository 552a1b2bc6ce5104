"""The table of the guards: hand-overs of people in danger to the team. The other tables are in `schema`."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import NEVER_REUSED, Base, utc_now


class Handover(Base):
    """Somebody was in danger, and a person of the team is asked to look. It holds nothing that was said.

    `subject` is what the calling program calls the person, and may be empty. `turns` counts the turns in danger that belong to it.
    """

    __tablename__ = "handovers"
    __table_args__ = (CheckConstraint("tier IN ('active', 'imminent')", name="tier"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(Text, index=True)
    model: Mapped[str] = mapped_column(Text)
    tier: Mapped[str] = mapped_column(String(16))
    detail: Mapped[dict[str, Any]]  # kinds and names of rules
    turns: Mapped[int] = mapped_column(default=1)
    opened_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_at: Mapped[datetime] = mapped_column(default=utc_now)
    due_at: Mapped[datetime]
    fell_back_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(Text)
