"""Traces of turns, for counting.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turn_traces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("turn", sa.String(64), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("prompt", sa.String(64), nullable=False),
        sa.Column("variant", sa.String(64), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("served", sa.String(16), nullable=False),
        sa.Column("why", sa.String(32), nullable=False),
        sa.Column("ended", sa.String(16), nullable=False),
        sa.Column("route", sa.String(16), nullable=False),
        sa.Column("route_score", sa.Double(), nullable=True),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.Column("first_s", sa.Double(), nullable=False),
        sa.Column("total_s", sa.Double(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turn_traces")),
        sa.CheckConstraint("ended IN ('done', 'closed', 'failed')", name=op.f("ck_turn_traces_ended")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_turn_traces_turn"), "turn_traces", ["turn"])
    op.create_index(op.f("ix_turn_traces_created_at"), "turn_traces", ["created_at"])


def downgrade() -> None:
    op.drop_table("turn_traces")
