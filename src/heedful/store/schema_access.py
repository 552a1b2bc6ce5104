"""The table of access: API keys, of which only a hash is kept. The other tables are in `schema`."""

from datetime import datetime

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import NEVER_REUSED, Base, utc_now


class ApiKey(Base):
    """What a program or a person of the team shows to the server. `digest` is the SHA-256 of the secret.

    A plain hash is enough for 256 random bits: there is nothing to guess. The two limits are None where the server's own hold.
    """

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("role IN ('client', 'clinician', 'operator')", name="role"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)  # the team's own word for whoever holds it
    role: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    requests_per_minute: Mapped[int | None]
    concurrent: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_by: Mapped[str] = mapped_column(Text)
    revoked_at: Mapped[datetime | None]
