"""Replies that can be spoken of, moods, scores, feedback, and counters.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_replies()
    create_statements()
    op.create_table(
        "collection_counts",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "kept", name=op.f("pk_collection_counts")),
    )
    for table, column in INDEXED:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def create_replies() -> None:
    op.create_table(
        "replies",
        sa.Column("id", sa.String(64), nullable=False),
        conversation("replies", nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("ending", sa.String(8), nullable=False),
        sa.Column("tail", sa.String(64), nullable=False),
        time("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replies")),
        sa.UniqueConstraint("conversation_id", "position", name=op.f("uq_replies_conversation_id_position")),
        sa.CheckConstraint("ending IN ('stop', 'length')", name=op.f("ck_replies_ending")),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(40), nullable=False),
        conversation("feedback", nullable=False),
        sa.Column("reply_id", sa.String(64), nullable=False),
        sa.Column("thumb", sa.String(8), nullable=True),
        sa.Column("corrected", sa.Boolean(), nullable=False),
        sa.Column("sealed_comment", sa.LargeBinary(), nullable=True),
        sa.Column("actor", sa.String(64), nullable=False),
        time("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.ForeignKeyConstraint(["reply_id"], ["replies.id"], name=op.f("fk_feedback_reply_id_replies"), ondelete="CASCADE"),
        sa.CheckConstraint("thumb IN ('up', 'down')", name=op.f("ck_feedback_thumb")),
    )


def create_statements() -> None:
    op.create_table(
        "moods",
        sa.Column("id", sa.Integer(), nullable=False),
        person("moods"),
        conversation("moods"),
        sa.Column("moment", sa.String(8), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        time("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moods")),
        sa.CheckConstraint("moment IN ('before', 'after')", name=op.f("ck_moods_moment")),
        sa.CheckConstraint("value BETWEEN 0 AND 10", name=op.f("ck_moods_value")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "assessments",
        sa.Column("id", sa.Integer(), nullable=False),
        person("assessments"),
        conversation("assessments"),
        sa.Column("instrument", sa.String(32), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        time("taken_at"),
        time("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
        sqlite_autoincrement=True,
    )


INDEXED = (
    ("replies", "tail"),
    ("moods", "person_id"),
    ("moods", "conversation_id"),
    ("assessments", "person_id"),
    ("assessments", "conversation_id"),
    ("assessments", "instrument"),
    ("feedback", "conversation_id"),
    ("feedback", "reply_id"),
)


def time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def person(table: str) -> sa.Column[object]:
    return sa.Column(
        "person_id", sa.Integer(), sa.ForeignKey("persons.id", name=op.f(f"fk_{table}_person_id_persons")), nullable=False
    )


def conversation(table: str, nullable: bool = True) -> sa.Column[object]:
    name = op.f(f"fk_{table}_conversation_id_conversations")
    reference = sa.ForeignKey("conversations.id", name=name, ondelete="CASCADE")
    return sa.Column("conversation_id", sa.Integer(), reference, nullable=nullable)


def downgrade() -> None:
    for table in ("collection_counts", "feedback", "assessments", "moods", "replies"):
        op.drop_table(table)
