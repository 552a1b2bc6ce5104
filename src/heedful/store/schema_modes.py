"""The table of modes: who switched where replies are computed. The other tables are in `schema`."""

from datetime import datetime

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import NEVER_REUSED, Base, utc_now


class ModeEvent(Base):
    """The newest counts; without any, the configuration does."""

    __tablename__ = "mode_events"
    __table_args__ = (CheckConstraint("mode IN ('hosted', 'hybrid', 'local')", name="mode"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    mode: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
