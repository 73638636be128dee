"""Counters read by ranges of days, and statistics of workflows' names."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0009'
down_revision: str | None = '0008'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


_SUMS_KEY = "origin_instance, origin_tenant_id, origin_zone, is_deleted, status"
_KEY = f"{_SUMS_KEY}, task_type, provider_type"

# Both as in 0006, which explains them; {sums…} is the addition of this migration.
_FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION fold_task_counts() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock('task_counts'::regclass::int, 0) THEN RETURN; END IF;
    WITH taken AS (DELETE FROM task_deltas RETURNING *),
    per_day AS (
        INSERT INTO task_counts_by_day AS c (day, {key}, n)
        SELECT day, {key}, sum(n) FROM taken GROUP BY day, {key} HAVING sum(n) <> 0
        ON CONFLICT (day, {key}) DO UPDATE SET n = c.n + excluded.n
    ){sums_folded}
    INSERT INTO task_counts AS c ({key}, n)
    SELECT {key}, sum(n) FROM taken GROUP BY {key} HAVING sum(n) <> 0
    ON CONFLICT ({key}) DO UPDATE SET n = c.n + excluded.n;
    DELETE FROM task_counts_by_day WHERE n = 0;{sums_emptied}
    DELETE FROM task_counts WHERE n = 0;
END $$
""",
    """
CREATE OR REPLACE FUNCTION rebuild_task_counts() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE tasks IN SHARE MODE;
    PERFORM pg_advisory_xact_lock('task_counts'::regclass::int, 0);
    DELETE FROM task_deltas;
    DELETE FROM task_counts_by_day;{sums_deleted}
    DELETE FROM task_counts;
    INSERT INTO task_counts_by_day (day, {key}, n)
    SELECT (created_at AT TIME ZONE 'UTC')::date AS on_day, {key}, sum(1) FROM tasks
    GROUP BY on_day, {key} ORDER BY on_day;{sums_rebuilt}
    INSERT INTO task_counts ({key}, n)
    SELECT {key}, sum(n) FROM task_counts_by_day GROUP BY {key};
END $$
""",
)
_SUMS_FOLDED = f""",
    sums AS (
        INSERT INTO task_sums_by_day AS c (day, {_SUMS_KEY}, n)
        SELECT day, {_SUMS_KEY}, sum(n) FROM taken GROUP BY day, {_SUMS_KEY} HAVING sum(n) <> 0
        ON CONFLICT (day, {_SUMS_KEY}) DO UPDATE SET n = c.n + excluded.n
    )"""
_SUMS_REBUILT = f"""
    INSERT INTO task_sums_by_day (day, {_SUMS_KEY}, n)
    SELECT day, {_SUMS_KEY}, sum(n) FROM task_counts_by_day
    GROUP BY day, {_SUMS_KEY} ORDER BY day;"""


def _define_functions(*, has_sums: bool) -> None:
    parts = {
        "sums_folded": _SUMS_FOLDED,
        "sums_emptied": "\n    DELETE FROM task_sums_by_day WHERE n = 0;",
        "sums_deleted": "\n    DELETE FROM task_sums_by_day;",
        "sums_rebuilt": _SUMS_REBUILT,
    }
    if not has_sums:
        parts = dict.fromkeys(parts, "")
    for function in _FUNCTIONS:
        op.execute(function.format(key=_KEY, **parts))


def upgrade() -> None:
    # Folding locks this first: neither the old nor the new function folds until this is done.
    op.execute('LOCK TABLE task_deltas IN ACCESS EXCLUSIVE MODE')
    op.create_table('task_sums_by_day',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False)
    )
    op.create_index('ix_task_sums_by_day_empty', 'task_sums_by_day', ['origin_instance'], unique=False, postgresql_where=sa.text('n = 0'))
    op.create_index('uq_task_sums_by_day_key', 'task_sums_by_day', ['day', 'origin_instance', 'origin_tenant_id', 'origin_zone', 'is_deleted', 'status'], unique=True, postgresql_nulls_not_distinct=True)
    op.execute(_SUMS_REBUILT)
    _define_functions(has_sums=True)
    for table in ('task_counts_by_day', 'task_sums_by_day', 'workflow_counts_by_day'):
        op.create_index(f'ix_{table}_day', table, ['day'], unique=False)
    # Without them Postgres estimates that any search by name matches one row in 200: it then sorts
    # all matches instead of reading the newest ones from an index.
    op.execute('CREATE STATISTICS st_workflows_name ON (lower(name) COLLATE "C") FROM workflows')
    for table in ('workflows', 'task_sums_by_day'):
        op.execute(f'ANALYZE {table}')


def downgrade() -> None:
    op.execute('LOCK TABLE task_deltas IN ACCESS EXCLUSIVE MODE')
    _define_functions(has_sums=False)
    op.execute('DROP STATISTICS st_workflows_name')
    for table in ('workflow_counts_by_day', 'task_counts_by_day'):
        op.drop_index(f'ix_{table}_day', table_name=table)
    op.drop_table('task_sums_by_day')
