"""When a planned retrain was done, and by which version.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("planned_retrains", sa.Column("settled_by", sa.String(64), nullable=True))
    op.add_column("planned_retrains", sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("planned_retrains", "settled_at")
    op.drop_column("planned_retrains", "settled_by")
