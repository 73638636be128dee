"""Counters, and indexes for every list."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = '0006'
down_revision: str | None = '0005'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


_KEY = ("origin_instance", "origin_tenant_id", "origin_zone", "is_deleted", "status")
# Table, the columns of its counters' key, and what they sum up for each row.
_COUNTED = (
    ("task", (*_KEY, "task_type", "provider_type"), {"n": "1"}),
    ("workflow", _KEY, {"n": "1", "steps": "{row}total_steps"}),
)
_MADE_PARTIAL = (
    ("tasks", "ix_tasks_status", "status"),
    ("tasks", "ix_tasks_type", "task_type"),
    ("tasks", "ix_tasks_provider", "provider_type"),
    ("tasks", "ix_tasks_zone", "origin_zone"),
    ("workflows", "ix_workflows_status", "status"),
    ("workflows", "ix_workflows_zone", "origin_zone"),
)

_COUNTERS = """
-- Moves the deltas into the counts. One call at a time: a concurrent second one returns at once.
CREATE FUNCTION fold_{subject}_counts() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock('{subject}_counts'::regclass::int, 0) THEN RETURN; END IF;
    WITH taken AS (DELETE FROM {subject}_deltas RETURNING *),
    per_day AS (
        INSERT INTO {subject}_counts_by_day AS c (day, {key}, {sums})
        SELECT day, {key}, {summed} FROM taken GROUP BY day, {key} HAVING {is_something}
        ON CONFLICT (day, {key}) DO UPDATE SET {added}
    )
    INSERT INTO {subject}_counts AS c ({key}, {sums})
    SELECT {key}, {summed} FROM taken GROUP BY {key} HAVING {is_something}
    ON CONFLICT ({key}) DO UPDATE SET {added};
    DELETE FROM {subject}_counts_by_day WHERE n = 0;
    DELETE FROM {subject}_counts WHERE n = 0;
END $$;

-- Rebuilds all counters: after a bulk load without triggers, or as a repair. Blocks writers.
CREATE FUNCTION rebuild_{subject}_counts() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE {subject}s IN SHARE MODE;
    PERFORM pg_advisory_xact_lock('{subject}_counts'::regclass::int, 0);
    DELETE FROM {subject}_deltas;
    DELETE FROM {subject}_counts_by_day;
    DELETE FROM {subject}_counts;
    INSERT INTO {subject}_counts_by_day (day, {key}, {sums})
    SELECT (created_at AT TIME ZONE 'UTC')::date AS on_day, {key}, {rebuilt} FROM {subject}s
    -- Day by day, as they would have come: then a few days are read without the others.
    GROUP BY on_day, {key} ORDER BY on_day;
    INSERT INTO {subject}_counts ({key}, {sums})
    SELECT {key}, {summed} FROM {subject}_counts_by_day GROUP BY {key};
END $$;

-- Counts inserted and deleted rows, once per statement.
CREATE FUNCTION count_{subject}s() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {subject}_deltas (day, {key}, {sums})
        SELECT (created_at AT TIME ZONE 'UTC')::date AS on_day, {key}, {came} FROM changed
        GROUP BY on_day, {key};
    ELSE
        INSERT INTO {subject}_deltas (day, {key}, {sums})
        SELECT (created_at AT TIME ZONE 'UTC')::date AS on_day, {key}, {went} FROM changed
        GROUP BY on_day, {key};
    END IF;
    IF random() < {fold_chance} THEN PERFORM fold_{subject}_counts(); END IF;
    RETURN NULL;
END $$;

-- Counts a row whose counted columns changed. Most updates change none, and do not call this.
CREATE FUNCTION recount_{subject}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {subject}_deltas (day, {key}, {sums}) VALUES
        ((OLD.created_at AT TIME ZONE 'UTC')::date, {old_key}, {old_values}),
        ((NEW.created_at AT TIME ZONE 'UTC')::date, {new_key}, {new_values});
    IF random() < {fold_chance} THEN PERFORM fold_{subject}_counts(); END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION forget_{subject}_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rebuild_{subject}_counts();
    RETURN NULL;
END $$;

CREATE TRIGGER count_new AFTER INSERT ON {subject}s REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_{subject}s();

CREATE TRIGGER count_gone AFTER DELETE ON {subject}s REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_{subject}s();

CREATE TRIGGER count_changed AFTER UPDATE ON {subject}s FOR EACH ROW
    WHEN (({old_watched}) IS DISTINCT FROM ({new_watched}))
    EXECUTE FUNCTION recount_{subject}();

CREATE TRIGGER count_none AFTER TRUNCATE ON {subject}s
    FOR EACH STATEMENT EXECUTE FUNCTION forget_{subject}_counts();

-- Rows only live for seconds: vacuum after a number of rows, not a fraction.
ALTER TABLE {subject}_deltas SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000
);

SELECT rebuild_{subject}_counts();
"""


def _statements(subject: str, key: tuple[str, ...], sums: dict[str, str]) -> list[str]:
    """Return the SQL for one table's counters. One change in 256 folds: some 100 deltas remain."""

    def columns(row: str, names: tuple[str, ...] = key) -> str:
        return ", ".join(f"{row}.{name}" for name in names)

    def each(form: str, joint: str = ", ") -> str:
        return joint.join(
            form.format(name=name, of_row=value.format(row=""), of_old=value.format(row="OLD."),
                        of_new=value.format(row="NEW."))
            for name, value in sums.items()
        )

    watched = (*key, *(["total_steps"] if "steps" in sums else []))
    text = _COUNTERS.format(
        subject=subject,
        key=", ".join(key),
        sums=", ".join(sums),
        summed=each("sum({name})"),
        is_something=each("sum({name}) <> 0", " OR "),
        added=each("{name} = c.{name} + excluded.{name}"),
        rebuilt=each("sum({of_row})"),
        came=each("sum({of_row})"),
        went=each("-sum({of_row})"),
        old_key=columns("OLD"),
        new_key=columns("NEW"),
        old_values=each("-({of_old})"),
        new_values=each("{of_new}"),
        old_watched=columns("OLD", watched) + ", (OLD.created_at AT TIME ZONE 'UTC')::date",
        new_watched=columns("NEW", watched) + ", (NEW.created_at AT TIME ZONE 'UTC')::date",
        fold_chance="1.0 / 256",
    )
    return [statement.strip() for statement in text.split("\n\n") if statement.strip()]


def upgrade() -> None:
    op.create_table('task_counts',
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('task_type', sa.String(length=40), nullable=False),
    sa.Column('provider_type', sa.String(length=50), nullable=False),
    sa.Column('n', sa.BigInteger(), nullable=False)
    )
    op.create_index('ix_task_counts_empty', 'task_counts', ['origin_instance'], unique=False, postgresql_where=sa.text('n = 0'))
    op.create_index('uq_task_counts_key', 'task_counts', ['origin_instance', 'origin_tenant_id', 'origin_zone', 'is_deleted', 'status', 'task_type', 'provider_type'], unique=True, postgresql_nulls_not_distinct=True)
    op.create_table('task_counts_by_day',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('task_type', sa.String(length=40), nullable=False),
    sa.Column('provider_type', sa.String(length=50), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False)
    )
    op.create_index('ix_task_counts_by_day_empty', 'task_counts_by_day', ['origin_instance'], unique=False, postgresql_where=sa.text('n = 0'))
    op.create_index('uq_task_counts_by_day_key', 'task_counts_by_day', ['day', 'origin_instance', 'origin_tenant_id', 'origin_zone', 'is_deleted', 'status', 'task_type', 'provider_type'], unique=True, postgresql_nulls_not_distinct=True)
    op.create_table('task_deltas',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('task_type', sa.String(length=40), nullable=False),
    sa.Column('provider_type', sa.String(length=50), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False)
    )
    op.create_table('workflow_counts',
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('n', sa.BigInteger(), nullable=False),
    sa.Column('steps', sa.BigInteger(), nullable=False)
    )
    op.create_index('ix_workflow_counts_empty', 'workflow_counts', ['origin_instance'], unique=False, postgresql_where=sa.text('n = 0'))
    op.create_index('uq_workflow_counts_key', 'workflow_counts', ['origin_instance', 'origin_tenant_id', 'origin_zone', 'is_deleted', 'status'], unique=True, postgresql_nulls_not_distinct=True)
    op.create_table('workflow_counts_by_day',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('steps', sa.Integer(), nullable=False)
    )
    op.create_index('ix_workflow_counts_by_day_empty', 'workflow_counts_by_day', ['origin_instance'], unique=False, postgresql_where=sa.text('n = 0'))
    op.create_index('uq_workflow_counts_by_day_key', 'workflow_counts_by_day', ['day', 'origin_instance', 'origin_tenant_id', 'origin_zone', 'is_deleted', 'status'], unique=True, postgresql_nulls_not_distinct=True)
    op.create_table('workflow_deltas',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('steps', sa.Integer(), nullable=False)
    )
    op.drop_index(op.f('ix_tasks_newest'), table_name='tasks')
    op.create_index('ix_tasks_newest', 'tasks', [sa.literal_column('created_at DESC'), sa.literal_column('id DESC'), 'is_deleted'], unique=False)
    op.drop_index(op.f('ix_tasks_tenant'), table_name='tasks')
    op.create_index('ix_tasks_tenant', 'tasks', ['origin_instance', 'origin_tenant_id', sa.literal_column('created_at DESC'), 'is_deleted'], unique=False)
    op.create_index('ix_tasks_completed', 'tasks', [sa.literal_column('completed_at DESC NULLS LAST'), sa.literal_column('id DESC'), 'is_deleted'], unique=False)
    op.create_index('ix_tasks_duration', 'tasks', [sa.literal_column('(completed_at - started_at) DESC NULLS LAST'), sa.literal_column('id DESC')], unique=False, postgresql_where=sa.text('is_deleted IS FALSE'))
    op.create_index('ix_tasks_executing', 'tasks', ['queue_name'], unique=False, postgresql_where=sa.text("status = 'EXECUTING'"))
    op.create_index('ix_tasks_instance', 'tasks', ['origin_instance', sa.literal_column('created_at DESC')], unique=False, postgresql_where=sa.text('is_deleted IS FALSE'))
    op.create_index('ix_tasks_started', 'tasks', [sa.literal_column('started_at DESC NULLS LAST'), sa.literal_column('id DESC'), 'is_deleted'], unique=False)
    op.create_index('ix_tasks_tenant_alone', 'tasks', ['origin_tenant_id', sa.literal_column('created_at DESC')], unique=False, postgresql_where=sa.text('is_deleted IS FALSE'))
    op.drop_index(op.f('ix_workflows_newest'), table_name='workflows')
    op.create_index('ix_workflows_newest', 'workflows', [sa.literal_column('created_at DESC'), sa.literal_column('id DESC'), 'is_deleted'], unique=False)
    op.drop_index(op.f('ix_workflows_tenant'), table_name='workflows')
    op.create_index('ix_workflows_tenant', 'workflows', ['origin_instance', 'origin_tenant_id', sa.literal_column('created_at DESC'), 'is_deleted'], unique=False)
    op.create_index('ix_workflows_completed', 'workflows', [sa.literal_column('completed_at DESC NULLS LAST'), sa.literal_column('id DESC'), 'is_deleted'], unique=False)
    op.create_index('ix_workflows_duration', 'workflows', [sa.literal_column('(completed_at - started_at) DESC NULLS LAST'), sa.literal_column('id DESC')], unique=False, postgresql_where=sa.text('is_deleted IS FALSE'))
    op.create_index('ix_workflows_instance', 'workflows', ['origin_instance', sa.literal_column('created_at DESC')], unique=False, postgresql_where=sa.text('is_deleted IS FALSE'))
    op.create_index('ix_workflows_name', 'workflows', [sa.literal_column('lower(name) COLLATE "C"'), 'id'], unique=False, postgresql_where=sa.text('is_deleted IS FALSE'))
    op.create_index('ix_workflows_started', 'workflows', [sa.literal_column('started_at DESC NULLS LAST'), sa.literal_column('id DESC'), 'is_deleted'], unique=False)
    op.create_index('ix_workflows_tenant_alone', 'workflows', ['origin_tenant_id', sa.literal_column('created_at DESC')], unique=False, postgresql_where=sa.text('is_deleted IS FALSE'))
    for table, name, column in _MADE_PARTIAL:
        op.drop_index(name, table_name=table)
        op.create_index(
            name, table, [column, sa.text("created_at DESC")], postgresql_where=sa.text("is_deleted IS FALSE")
        )
    for counted in _COUNTED:
        for statement in _statements(*counted):
            op.execute(statement)


def downgrade() -> None:
    for subject, _, _ in _COUNTED:
        for trigger in ("new", "gone", "changed", "none"):
            op.execute(f"DROP TRIGGER count_{trigger} ON {subject}s")
        for function in (f"count_{subject}s", f"recount_{subject}", f"forget_{subject}_counts",
                         f"rebuild_{subject}_counts", f"fold_{subject}_counts"):
            op.execute(f"DROP FUNCTION {function}")
    for table, name, column in _MADE_PARTIAL:
        op.drop_index(name, table_name=table)
        op.create_index(name, table, [column, sa.text("created_at DESC")])
    op.drop_index('ix_workflows_tenant_alone', table_name='workflows', postgresql_where=sa.text('is_deleted IS FALSE'))
    op.drop_index('ix_workflows_started', table_name='workflows')
    op.drop_index('ix_workflows_name', table_name='workflows', postgresql_where=sa.text('is_deleted IS FALSE'))
    op.drop_index('ix_workflows_instance', table_name='workflows', postgresql_where=sa.text('is_deleted IS FALSE'))
    op.drop_index('ix_workflows_duration', table_name='workflows', postgresql_where=sa.text('is_deleted IS FALSE'))
    op.drop_index('ix_workflows_completed', table_name='workflows')
    op.drop_index('ix_workflows_tenant', table_name='workflows')
    op.create_index(op.f('ix_workflows_tenant'), 'workflows', ['origin_instance', 'origin_tenant_id', sa.literal_column('created_at DESC')], unique=False)
    op.drop_index('ix_workflows_newest', table_name='workflows')
    op.create_index(op.f('ix_workflows_newest'), 'workflows', [sa.literal_column('created_at DESC'), sa.literal_column('id DESC')], unique=False)
    op.drop_index('ix_tasks_tenant_alone', table_name='tasks', postgresql_where=sa.text('is_deleted IS FALSE'))
    op.drop_index('ix_tasks_started', table_name='tasks')
    op.drop_index('ix_tasks_instance', table_name='tasks', postgresql_where=sa.text('is_deleted IS FALSE'))
    op.drop_index('ix_tasks_executing', table_name='tasks', postgresql_where=sa.text("status = 'EXECUTING'"))
    op.drop_index('ix_tasks_duration', table_name='tasks', postgresql_where=sa.text('is_deleted IS FALSE'))
    op.drop_index('ix_tasks_completed', table_name='tasks')
    op.drop_index('ix_tasks_tenant', table_name='tasks')
    op.create_index(op.f('ix_tasks_tenant'), 'tasks', ['origin_instance', 'origin_tenant_id', sa.literal_column('created_at DESC')], unique=False)
    op.drop_index('ix_tasks_newest', table_name='tasks')
    op.create_index(op.f('ix_tasks_newest'), 'tasks', [sa.literal_column('created_at DESC'), sa.literal_column('id DESC')], unique=False)
    op.drop_table('workflow_deltas')
    op.drop_index('uq_workflow_counts_by_day_key', table_name='workflow_counts_by_day', postgresql_nulls_not_distinct=True)
    op.drop_index('ix_workflow_counts_by_day_empty', table_name='workflow_counts_by_day', postgresql_where=sa.text('n = 0'))
    op.drop_table('workflow_counts_by_day')
    op.drop_index('uq_workflow_counts_key', table_name='workflow_counts', postgresql_nulls_not_distinct=True)
    op.drop_index('ix_workflow_counts_empty', table_name='workflow_counts', postgresql_where=sa.text('n = 0'))
    op.drop_table('workflow_counts')
    op.drop_table('task_deltas')
    op.drop_index('uq_task_counts_by_day_key', table_name='task_counts_by_day', postgresql_nulls_not_distinct=True)
    op.drop_index('ix_task_counts_by_day_empty', table_name='task_counts_by_day', postgresql_where=sa.text('n = 0'))
    op.drop_table('task_counts_by_day')
    op.drop_index('uq_task_counts_key', table_name='task_counts', postgresql_nulls_not_distinct=True)
    op.drop_index('ix_task_counts_empty', table_name='task_counts', postgresql_where=sa.text('n = 0'))
    op.drop_table('task_counts')
