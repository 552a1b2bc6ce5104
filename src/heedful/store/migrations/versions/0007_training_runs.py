"""Training runs that were asked for, and what happened in them.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "training_runs",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dataset_id", sa.String(64), nullable=True),
        sa.Column("model_id", sa.String(64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_training_runs")),
        sa.UniqueConstraint("id", name=op.f("uq_training_runs_id")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset_versions.id"], name=op.f("fk_training_runs_dataset_id_dataset_versions")),
        sa.ForeignKeyConstraint(["model_id"], ["model_versions.id"], name=op.f("fk_training_runs_model_id_model_versions")),
        sa.CheckConstraint("kind IN ('loop', 'fine_tuning')", name=op.f("ck_training_runs_kind")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_training_runs_state")
        ),
        sqlite_autoincrement=True,
    )
    running = sa.text("state = 'running'")
    op.create_index(
        "ix_training_runs_one_running", "training_runs", ["state"], unique=True, sqlite_where=running, postgresql_where=running
    )
    op.create_table(
        "training_run_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.String(64), nullable=True),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_run_events")),
        sa.ForeignKeyConstraint(["run_id"], ["training_runs.id"], name=op.f("fk_training_run_events_run_id_training_runs")),
        sa.UniqueConstraint("run_id", "key", name=op.f("uq_training_run_events_run_id_key")),
        sa.CheckConstraint("level IN ('info', 'warn', 'error')", name=op.f("ck_training_run_events_level")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_training_run_events_run_id"), "training_run_events", ["run_id"])


def downgrade() -> None:
    op.drop_table("training_run_events")
    op.drop_table("training_runs")
