"""The tables of trust: keys, consent, what learned from whom, erasures and quarantine. The others are in `schema`."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import NEVER_REUSED, Base, Decision, ErasureState, LineageRole, Purpose, utc_now

LEARNING: frozenset[LineageRole] = frozenset({"train", "replay", "knowledge"})  # `eval` judges a model, it teaches nothing


class VaultRow(Base):
    """One row: the secret of all keyed hashes, wrapped by the master key. `generation` counts the rotations of that key."""

    __tablename__ = "vault"

    id: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[int]
    sealed_index_key: Mapped[bytes]
    rotated_at: Mapped[datetime] = mapped_column(default=utc_now)


class DataKey(Base):
    """The key of one person, or of the rows of one import that name nobody, wrapped by the master key. Erasure removes it."""

    __tablename__ = "data_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # random
    sealed_key: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ConsentEvent(Base):
    """A person allowed a purpose, or no longer does. Append-only; the newest `version` of person and purpose counts.

    `form` names the wording that was agreed to; `import_id` is the import that stated it, if one did.
    """

    __tablename__ = "consent_events"
    __table_args__ = (
        UniqueConstraint("person_id", "purpose", "version"),
        CheckConstraint("purpose IN ('chat', 'review', 'training', 'upstream')", name="purpose"),
        CheckConstraint("decision IN ('granted', 'withdrawn')", name="decision"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"))
    purpose: Mapped[Purpose]
    version: Mapped[int]  # counts from 1
    decision: Mapped[Decision]
    form: Mapped[str] = mapped_column(String(64))
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))
    actor: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Membership(Base):
    """A model learned from a conversation, or was judged by it. Ancestors are not repeated: `registry.lineage` follows parents.

    The row outlives the conversation, so that what a model learned stays known when the text is gone; hence no foreign key there.
    """

    __tablename__ = "memberships"
    __table_args__ = (CheckConstraint("role IN ('train', 'replay', 'eval', 'knowledge')", name="role"),)

    model_id: Mapped[str] = mapped_column(ForeignKey("model_versions.id"), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id"), primary_key=True)
    role: Mapped[LineageRole] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"), index=True)


class Erasure(Base):
    """One person's erasure and how far it came. `detail` holds ids and counts: what is to be removed, and what was."""

    __tablename__ = "erasures"
    __table_args__ = (CheckConstraint("state IN ('begun', 'removed', 'done')", name="state"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), unique=True)
    state: Mapped[ErasureState]
    detail: Mapped[dict[str, Any]]
    actor: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]


class QuarantineEvent(Base):
    """A model must not be used any more, because of an erasure. Append-only; there is no way back, only a retrain."""

    __tablename__ = "quarantine_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("model_versions.id"), unique=True)
    erasure_id: Mapped[int] = mapped_column(ForeignKey("erasures.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class PlannedRetrain(Base):
    """A quarantined model wants a successor. The first clean model that is registered, and learned from all, settles it."""

    __tablename__ = "planned_retrains"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("model_versions.id"))
    erasure_id: Mapped[int] = mapped_column(ForeignKey("erasures.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    settled_by: Mapped[str | None] = mapped_column(String(64))  # the model
    settled_at: Mapped[datetime | None]
