"""When the files of a dataset or a model were removed because nobody needed them any more.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = ("dataset_versions", "model_versions")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("pruned_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "pruned_at")
