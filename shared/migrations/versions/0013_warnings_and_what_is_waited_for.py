"""Warnings about requests, and the condition that a task waits for."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# There is no 0012: that migration was renumbered to 0011.
revision: str = '0013'
down_revision: str | None = '0011'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TABLES = ('tasks', 'workflows', 'workflow_steps', 'trainings')


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column('warnings', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True))
    op.add_column('tasks', sa.Column('waiting_for', sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column('tasks', 'waiting_for')
    for table in _TABLES:
        op.drop_column(table, 'warnings')
