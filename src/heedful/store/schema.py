"""The tables of a workspace as typed ORM classes. `migrations/versions` builds exactly these; a test compares the two.

Types are portable on purpose: Postgres by URL comes later. Times are UTC and timezone-aware. Texts of people, and what a source
called them, are in columns named `sealed_*` only, encrypted (`vault`); every other column holds ids, hashes, counts, or words of
the team.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from heedful.conversation import Role

Split = Literal["train", "validation", "test"]
ReviewStatus = Literal["awaiting", "accepted", "edited", "rejected"]
RunStatus = Literal["running", "done", "failed"]
Basis = Literal["consent", "owned", "public", "none"]  # why a team may hold a record; `none` was never stated
Purpose = Literal["chat", "review", "training", "upstream"]
Decision = Literal["granted", "withdrawn"]
LineageRole = Literal["train", "replay", "eval", "knowledge"]
ErasureState = Literal["begun", "removed", "done"]


def utc_now() -> datetime:
    return datetime.now(UTC)


class UtcTime(TypeDecorator[datetime]):
    """Aware times in and out. SQLite keeps no zone, so what it gives back is marked as the UTC that was written."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored; use utc_now()")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Columns of one word out of a few. A CHECK constraint names them in the database too.
KINDS = (Role, Split, RunStatus, ReviewStatus, Basis, Purpose, Decision, LineageRole, ErasureState)
WORDS: dict[Any, Any] = {kind: String(16) for kind in KINDS}


class Base(DeclarativeBase):
    # Every constraint has a name, because a later migration can only drop what has one.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcTime, dict[str, Any]: JSON, list[list[int]]: JSON, **WORDS}  # noqa: RUF012 - SQLAlchemy reads it


# AUTOINCREMENT: the id of an erased person or conversation never comes back as someone else's.
NEVER_REUSED = {"sqlite_autoincrement": True}


class Person(Base):
    """Someone whose conversations are here, or were.

    `lookup` is a keyed hash of what the source called them. It stays after an erasure, with nothing beside it, so that a later
    import cannot bring the person back.
    """

    __tablename__ = "persons"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    lookup: Mapped[str] = mapped_column(String(64), unique=True)
    key_id: Mapped[str | None] = mapped_column(ForeignKey("data_keys.id"))
    sealed_name: Mapped[bytes | None]  # what the source called them
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    erased_at: Mapped[datetime | None]


class Import(Base):
    """One reading of one file. `rows` were read; of them `added`, `known` before, or `skipped`; `repaired` had broken text.

    `basis` is why the team may hold them, as the import stated it. `key_id` is the key of the rows that name no person.
    """

    __tablename__ = "imports"
    __table_args__ = (CheckConstraint("basis IN ('consent', 'owned', 'public', 'none')", name="basis"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(Text)  # as it was given
    format: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    known: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    repaired: Mapped[int] = mapped_column(default=0)
    basis: Mapped[Basis] = mapped_column(default="none")
    key_id: Mapped[str | None] = mapped_column(ForeignKey("data_keys.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ConversationRow(Base):
    """One conversation. Its identity is (fingerprint, occurrence): the n-th equal conversation of a person within one import.

    The fingerprint is a keyed hash, so that nobody can guess a text and look whether it is here.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("fingerprint", "occurrence"),
        CheckConstraint("basis IN ('consent', 'owned', 'public', 'none')", name="basis"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"), index=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id"), index=True)
    row: Mapped[int]  # in the file, from 1
    fingerprint: Mapped[str] = mapped_column(String(64))
    occurrence: Mapped[int]
    basis: Mapped[Basis] = mapped_column(default="none")
    key_id: Mapped[str] = mapped_column(ForeignKey("data_keys.id"))
    sealed_group: Mapped[bytes]  # empty: the first question decides
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class MessageRow(Base):
    """One turn. `position` counts from 0."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "position"),
        CheckConstraint("role IN ('system', 'user', 'assistant')", name="role"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int]
    role: Mapped[Role]
    sealed_content: Mapped[bytes]


class DatasetVersion(Base):
    """A directory under `datasets/`, with the hash of its manifest. `erasure_id` names the erasure that removed the directory.

    `pruned_at` is when it was removed because nobody needed it any more. Its members stay: they say who learned from whom.
    """

    __tablename__ = "dataset_versions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    counts: Mapped[dict[str, Any]]
    settings: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    erasure_id: Mapped[int | None] = mapped_column(ForeignKey("erasures.id"))
    pruned_at: Mapped[datetime | None]


class DatasetMember(Base):
    """Which conversation is in which line of which dataset file. `position` is the line, from 0.

    A composed line has several rows, one for each conversation that it was made from; one conversation may be in several lines.
    """

    __tablename__ = "dataset_members"
    __table_args__ = (CheckConstraint("split IN ('train', 'validation', 'test')", name="split"),)

    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id"), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), primary_key=True, index=True)
    split: Mapped[Split] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)


class SplitAssignment(Base):
    """The side on which a question, a group or a person stands, for ever: what was test once is never trained on.

    `key` is a keyed hash of what it is, so the row tells nothing of anybody.
    """

    __tablename__ = "split_assignments"
    __table_args__ = (CheckConstraint("split IN ('train', 'validation', 'test')", name="split"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    split: Mapped[Split]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Run(Base):
    """One long piece of work: import, build, train, evaluate."""

    __tablename__ = "runs"
    __table_args__ = (CheckConstraint("status IN ('running', 'done', 'failed')", name="status"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    status: Mapped[RunStatus] = mapped_column(default="running")
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("dataset_versions.id"))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]


class ModelVersion(Base):
    """A directory under `models/`, removed if `pruned_at` is set. `parent_id` is the version it was trained on top of."""

    __tablename__ = "model_versions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    base: Mapped[str] = mapped_column(Text)
    adapter_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    pruned_at: Mapped[datetime | None]


class AliasEvent(Base):
    """Somebody moved an alias. Append-only: the database refuses UPDATE and DELETE."""

    __tablename__ = "alias_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(String(64), index=True)
    from_model: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    to_model: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    actor: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    report_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class AuditEvent(Base):
    """Somebody did something. Append-only like AliasEvent; `detail` holds counts and ids, never texts of people.

    `hash` is made of all other columns, and `previous` is the hash of the event before: a chain, see `store.audit`.
    """

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
