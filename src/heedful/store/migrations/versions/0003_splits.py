"""Frozen sides of questions, groups and persons; and lines that are made from several conversations.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = "dataset_id, conversation_id, split, position"


def upgrade() -> None:
    op.create_table(
        "split_assignments",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("split", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_split_assignments")),
        sa.CheckConstraint("split IN ('train', 'validation', 'test')", name=op.f("ck_split_assignments_split")),
    )
    # SQLite cannot change a primary key: the table is made anew.
    op.drop_index(op.f("ix_dataset_members_conversation_id"), "dataset_members")
    op.rename_table("dataset_members", "dataset_members_old")
    members()
    op.execute(f"INSERT INTO dataset_members ({COLUMNS}) SELECT {COLUMNS} FROM dataset_members_old")
    op.drop_table("dataset_members_old")
    op.create_index(op.f("ix_dataset_members_conversation_id"), "dataset_members", ["conversation_id"])


def downgrade() -> None:
    raise RuntimeError("a line of several conversations has no place in the older table; restore a backup instead")


def members() -> None:
    op.create_table(
        "dataset_members",
        sa.Column("dataset_id", sa.String(64), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("split", sa.String(16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "conversation_id", "split", "position", name=op.f("pk_dataset_members")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset_versions.id"], name=op.f("fk_dataset_members_dataset_id_dataset_versions")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_dataset_members_conversation_id_conversations")
        ),
        sa.CheckConstraint("split IN ('train', 'validation', 'test')", name=op.f("ck_dataset_members_split")),
    )
