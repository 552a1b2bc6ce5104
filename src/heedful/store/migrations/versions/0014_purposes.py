"""What an uploaded file is for.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("purpose", sa.String(16), nullable=False, server_default="fine-tune"))


def downgrade() -> None:
    op.drop_column("uploads", "purpose")
