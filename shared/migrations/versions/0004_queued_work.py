"""Indexes for counting a tenant's queued work."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0004'
down_revision: str | None = '0003'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TENANT = sa.text('coalesce(origin_tenant_id, origin_instance)')


def upgrade() -> None:
    op.create_index('ix_tasks_queued', 'tasks', [_TENANT], unique=False, postgresql_where=sa.text("workflow_id IS NULL AND status IN ('PENDING', 'EXECUTING')"))
    op.create_index('ix_workflows_open', 'workflows', [_TENANT], unique=False, postgresql_where=sa.text("status IN ('PENDING', 'RUNNING', 'PAUSED')"))
    op.create_index('ix_trainings_queued', 'trainings', [_TENANT], unique=False, postgresql_where=sa.text("status IN ('PENDING', 'PREPROCESSING', 'TRAINING')"))


def downgrade() -> None:
    op.drop_index('ix_trainings_queued', table_name='trainings')
    op.drop_index('ix_workflows_open', table_name='workflows')
    op.drop_index('ix_tasks_queued', table_name='tasks')
