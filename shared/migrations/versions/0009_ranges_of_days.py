"""Counters read by ranges of days, and statistics of workflows' names."""

from collections.abc import Sequence

from alembic import op

revision: str = '0009'
down_revision: str | None = '0006'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    for table in ('task_counts_by_day', 'workflow_counts_by_day'):
        op.create_index(f'ix_{table}_day', table, ['day'], unique=False)
    # Without them a search by name is taken to find one row in 200, whatever it is for: all that
    # match are sorted then, where the newest that match could be read off an index.
    op.execute('CREATE STATISTICS st_workflows_name ON (lower(name) COLLATE "C") FROM workflows')
    op.execute('ANALYZE workflows')


def downgrade() -> None:
    op.execute('DROP STATISTICS st_workflows_name')
    for table in ('workflow_counts_by_day', 'task_counts_by_day'):
        op.drop_index(f'ix_{table}_day', table_name=table)
