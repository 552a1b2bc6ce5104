"""Experiments: beginnings, ends, members, harms, pairs of replies and what clinicians said of them.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

VARIANT = "variant IN ('champion', 'challenger')"
APPEND_ONLY = ("experiments", "experiment_ends")


def upgrade() -> None:
    begin_and_end()
    members_and_harms()
    pairs()
    for table in APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def begin_and_end() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("champion", sa.String(64), nullable=False),
        sa.Column("challenger", sa.String(64), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("instrument", sa.String(32), nullable=False),
        sa.Column("window_hours", sa.Double(), nullable=False),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.Column("report_id", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
        sa.CheckConstraint("share > 0 AND share < 1", name=op.f("ck_experiments_share")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "experiment_ends",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("ending", sa.String(16), nullable=False),
        sa.Column("harm", sa.String(16), nullable=False),
        sa.Column("e_value", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_ends")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_experiment_ends_experiment_id_experiments")),
        sa.UniqueConstraint("experiment_id", name=op.f("uq_experiment_ends_experiment_id")),
        sa.CheckConstraint("ending IN ('stopped', 'harm', 'champion', 'quarantine')", name=op.f("ck_experiment_ends_ending")),
        sqlite_autoincrement=True,
    )


def members_and_harms() -> None:
    op.create_table(
        "experiment_members",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("variant", sa.String(16), nullable=False),
        sa.Column("entry_tier", sa.String(16), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("experiment_id", "person_id", name=op.f("pk_experiment_members")),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name=op.f("fk_experiment_members_experiment_id_experiments")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_experiment_members_person_id_persons")),
        sa.CheckConstraint(VARIANT, name=op.f("ck_experiment_members_variant")),
    )
    op.create_index(op.f("ix_experiment_members_person_id"), "experiment_members", ["person_id"])
    op.create_table(
        "experiment_harms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("variant", sa.String(16), nullable=False),
        sa.Column("member", sa.String(64), nullable=False),
        sa.Column("challenger_at_risk", sa.Integer(), nullable=False),
        sa.Column("champion_at_risk", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_harms")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_experiment_harms_experiment_id_experiments")),
        sa.UniqueConstraint("experiment_id", "kind", "member", name=op.f("uq_experiment_harms_experiment_id_kind_member")),
        sa.CheckConstraint(VARIANT, name=op.f("ck_experiment_harms_variant")),
        sqlite_autoincrement=True,
    )


def pairs() -> None:
    op.create_table(
        "reply_pairs",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("sealed_chat", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_champion", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_challenger", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reply_pairs")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_reply_pairs_experiment_id_experiments")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_reply_pairs_person_id_persons")),
        sa.UniqueConstraint("experiment_id", "person_id", name=op.f("uq_reply_pairs_experiment_id_person_id")),
    )
    op.create_index(op.f("ix_reply_pairs_person_id"), "reply_pairs", ["person_id"])
    op.create_table(
        "pair_judgements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pair_id", sa.String(40), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("left", sa.String(16), nullable=False),
        sa.Column("preferred", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pair_judgements")),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["reply_pairs.id"], name=op.f("fk_pair_judgements_pair_id_reply_pairs"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("pair_id", "actor", name=op.f("uq_pair_judgements_pair_id_actor")),
        sa.CheckConstraint("preferred IN ('champion', 'challenger', 'tie')", name=op.f("ck_pair_judgements_preferred")),
    )
    op.create_index(op.f("ix_pair_judgements_pair_id"), "pair_judgements", ["pair_id"])


def downgrade() -> None:
    for table in ("pair_judgements", "reply_pairs", "experiment_harms", "experiment_members", "experiment_ends", "experiments"):
        op.drop_table(table)
