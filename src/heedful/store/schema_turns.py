"""The table of turns: what happened in each, for counting. The other tables are in `schema`."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import NEVER_REUSED, Base, utc_now


class TurnTrace(Base):
    """One turn of a companion. It holds nothing that was said, and does not say whose turn it was.

    `turn` is the id that the client got with the reply; empty for a chat in the terminal. `served`: who wrote what the person read,
    and `why` it was they. `detail` has names and numbers: kinds of danger, findings, ids of sources, seconds of each stage.
    """

    __tablename__ = "turn_traces"
    __table_args__ = (CheckConstraint("ended IN ('done', 'closed', 'failed')", name="ended"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    turn: Mapped[str] = mapped_column(String(64), index=True)
    model: Mapped[str] = mapped_column(String(64))
    prompt: Mapped[str] = mapped_column(String(64))
    variant: Mapped[str] = mapped_column(String(64))
    mode: Mapped[str] = mapped_column(String(16))
    served: Mapped[str] = mapped_column(String(16))
    why: Mapped[str] = mapped_column(String(32))
    ended: Mapped[str] = mapped_column(String(16))
    route: Mapped[str] = mapped_column(String(16))  # empty where nothing was routed
    route_score: Mapped[float | None]
    tier: Mapped[str] = mapped_column(String(16))
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    cost: Mapped[float]
    first_s: Mapped[float]
    total_s: Mapped[float]
    detail: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
