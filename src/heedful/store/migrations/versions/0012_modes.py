"""Switches of the mode, and a person's consent to the upstream.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

PURPOSE = "ck_consent_events_purpose"


def upgrade() -> None:
    op.create_table(
        "mode_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mode_events")),
        sa.CheckConstraint("mode IN ('hosted', 'hybrid', 'local')", name=op.f("ck_mode_events_mode")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("consent_events", recreate="always") as table:  # a CHECK cannot be changed where it stands
        table.drop_constraint(op.f(PURPOSE), type_="check")
        table.create_check_constraint(op.f(PURPOSE), "purpose IN ('chat', 'review', 'training', 'upstream')")
    for verb in ("UPDATE", "DELETE"):  # the table was made anew, without its triggers
        op.execute(
            f"CREATE TRIGGER consent_events_no_{verb.lower()} BEFORE {verb} ON consent_events "
            "BEGIN SELECT RAISE(ABORT, 'consent_events is append-only'); END"
        )


def downgrade() -> None:
    op.drop_table("mode_events")
