"""The tables of long work that somebody asked for: runs, and what happened in them. The other tables are in `schema`."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import NEVER_REUSED, Base, utc_now

RunKind = Literal["loop", "fine_tuning"]
RunState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
EventLevel = Literal["info", "warn", "error"]

RUNNING = text("state = 'running'")


class TrainingRun(Base):
    """A training that was asked for, and how far it came. A worker takes one after the other.

    `request` and `metrics` hold ids, settings and counts, never words of a person. `requested_by` is a key (`key 3, clinician`), a
    login name, `schedule`, `trigger`, `erasure` or `withdrawal`. `error` is the one line of what failed. The index has the database
    refuse a second run at the same time.
    """

    __tablename__ = "training_runs"
    __table_args__ = (
        CheckConstraint("kind IN ('loop', 'fine_tuning')", name="kind"),
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"),
        Index("ix_training_runs_one_running", "state", unique=True, sqlite_where=RUNNING, postgresql_where=RUNNING),
        NEVER_REUSED,
    )

    number: Mapped[int] = mapped_column(primary_key=True)  # the order in which they were asked for
    id: Mapped[str] = mapped_column(String(32), unique=True)
    kind: Mapped[RunKind] = mapped_column(String(16))
    request: Mapped[dict[str, Any]]
    requested_by: Mapped[str] = mapped_column(Text)
    requested_at: Mapped[datetime] = mapped_column(default=utc_now)
    state: Mapped[RunState] = mapped_column(String(16), default="queued")
    cancel_requested_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("dataset_versions.id"))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    error: Mapped[str | None] = mapped_column(Text)
    metrics: Mapped[dict[str, Any]] = mapped_column(default=dict)


class TrainingRunEvent(Base):
    """Something happened in a run. `key` names what can happen once only, such as `step 40`, so that no recovery tells it twice."""

    __tablename__ = "training_run_events"
    __table_args__ = (
        UniqueConstraint("run_id", "key"),
        CheckConstraint("level IN ('info', 'warn', 'error')", name="level"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("training_runs.id"), index=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str | None] = mapped_column(String(64))
    level: Mapped[EventLevel] = mapped_column(String(8), default="info")
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]
