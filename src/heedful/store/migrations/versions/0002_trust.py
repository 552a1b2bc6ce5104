"""Texts are sealed, consent and lineage are recorded, the audit trail is a chain.

Revision ID: 0002
Revises: 0001

A database with conversations in plain text is refused: what was written in the clear stays in pages and backups, so only a new
workspace keeps the promise of encryption.
"""

import sqlalchemy as sa
from alembic import op

from heedful.errors import StoreError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit_events", "consent_events", "quarantine_events")
BASIS = "basis IN ('consent', 'owned', 'public', 'none')"


def upgrade() -> None:
    refuse_plain_text()
    keys()
    people()
    conversations()
    erasures()
    lineage()
    chain()
    for table in APPEND_ONLY:
        refuse(table, "UPDATE")
        refuse(table, "DELETE")


def downgrade() -> None:
    raise RuntimeError("the keys would be lost, and with them all texts; restore a backup instead")


def refuse_plain_text() -> None:
    """Raises StoreError when the database was used before."""
    used = [
        table for table in ("persons", "imports", "audit_events") if op.get_bind().scalar(sa.text(f"SELECT count(*) FROM {table}"))
    ]
    if used:
        raise StoreError(
            "this workspace holds conversations in plain text, from before they were encrypted",
            "heedful init NEW_FOLDER, import the files again there, then remove this workspace",
        )


def keys() -> None:
    op.create_table(
        "vault",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("sealed_index_key", sa.LargeBinary(), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault")),
    )
    op.create_table(
        "data_keys",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_keys")),
    )


def people() -> None:
    with op.batch_alter_table("persons", recreate="always", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_constraint("uq_persons_key", type_="unique")
        table.drop_column("key")
        table.add_column(sa.Column("lookup", sa.String(64), nullable=False))
        table.add_column(sa.Column("key_id", sa.String(32), nullable=True))
        table.add_column(sa.Column("sealed_name", sa.LargeBinary(), nullable=True))
        table.add_column(sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
        table.create_unique_constraint(op.f("uq_persons_lookup"), ["lookup"])
        table.create_foreign_key(op.f("fk_persons_key_id_data_keys"), "data_keys", ["key_id"], ["id"])
    op.create_table(
        "consent_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("form", sa.String(64), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_events")),
        sa.UniqueConstraint("person_id", "purpose", "version", name=op.f("uq_consent_events_person_id_purpose_version")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_consent_events_person_id_persons")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_consent_events_import_id_imports")),
        sa.CheckConstraint("purpose IN ('chat', 'review', 'training')", name=op.f("ck_consent_events_purpose")),
        sa.CheckConstraint("decision IN ('granted', 'withdrawn')", name=op.f("ck_consent_events_decision")),
    )


def conversations() -> None:
    with op.batch_alter_table("imports", recreate="always", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("basis", sa.String(16), nullable=False))
        table.add_column(sa.Column("key_id", sa.String(32), nullable=True))
        table.create_check_constraint(op.f("ck_imports_basis"), BASIS)
        table.create_foreign_key(op.f("fk_imports_key_id_data_keys"), "data_keys", ["key_id"], ["id"])
    with op.batch_alter_table("conversations", recreate="always", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_column("group_key")
        table.add_column(sa.Column("basis", sa.String(16), nullable=False))
        table.add_column(sa.Column("key_id", sa.String(32), nullable=False))
        table.add_column(sa.Column("sealed_group", sa.LargeBinary(), nullable=False))
        table.create_check_constraint(op.f("ck_conversations_basis"), BASIS)
        table.create_foreign_key(op.f("fk_conversations_key_id_data_keys"), "data_keys", ["key_id"], ["id"])
    with op.batch_alter_table("messages", recreate="always") as table:
        table.drop_column("content")
        table.add_column(sa.Column("sealed_content", sa.LargeBinary(), nullable=False))


def erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("person_id", name=op.f("uq_erasures_person_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_erasures_person_id_persons")),
        sa.CheckConstraint("state IN ('begun', 'removed', 'done')", name=op.f("ck_erasures_state")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("dataset_versions", recreate="always") as table:
        table.add_column(sa.Column("erasure_id", sa.Integer(), nullable=True))
        table.create_foreign_key(op.f("fk_dataset_versions_erasure_id_erasures"), "erasures", ["erasure_id"], ["id"])
    op.create_table(
        "quarantine_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(64), nullable=False),
        sa.Column("erasure_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine_events")),
        sa.UniqueConstraint("model_id", name=op.f("uq_quarantine_events_model_id")),
        sa.ForeignKeyConstraint(["model_id"], ["model_versions.id"], name=op.f("fk_quarantine_events_model_id_model_versions")),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_quarantine_events_erasure_id_erasures")),
    )
    op.create_table(
        "planned_retrains",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(64), nullable=False),
        sa.Column("erasure_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planned_retrains")),
        sa.ForeignKeyConstraint(["model_id"], ["model_versions.id"], name=op.f("fk_planned_retrains_model_id_model_versions")),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_planned_retrains_erasure_id_erasures")),
        sqlite_autoincrement=True,
    )


def lineage() -> None:
    op.create_table(
        "memberships",
        sa.Column("model_id", sa.String(64), nullable=False),
        sa.Column("dataset_id", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("model_id", "dataset_id", "role", "conversation_id", name=op.f("pk_memberships")),
        sa.ForeignKeyConstraint(["model_id"], ["model_versions.id"], name=op.f("fk_memberships_model_id_model_versions")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset_versions.id"], name=op.f("fk_memberships_dataset_id_dataset_versions")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_memberships_person_id_persons")),
        sa.CheckConstraint("role IN ('train', 'replay', 'eval', 'knowledge')", name=op.f("ck_memberships_role")),
    )
    op.create_index(op.f("ix_memberships_person_id"), "memberships", ["person_id"])
    op.create_index(op.f("ix_memberships_conversation_id"), "memberships", ["conversation_id"])


def chain() -> None:
    """The table is made anew, which drops its triggers; `upgrade` makes them again."""
    with op.batch_alter_table("audit_events", recreate="always") as table:
        table.add_column(sa.Column("previous", sa.String(64), nullable=False))
        table.add_column(sa.Column("hash", sa.String(64), nullable=False))


def refuse(table: str, verb: str) -> None:
    """As in 0001."""
    op.execute(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )
