"""First tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = '0001'
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('api_keys',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('prefix', sa.String(length=20), nullable=False),
    sa.Column('key_hash', sa.String(length=64), nullable=False),
    sa.Column('scopes', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('origin_instance', sa.String(length=100), nullable=True),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_keys')),
    sa.UniqueConstraint('key_hash', name=op.f('uq_api_keys_key_hash'))
    )
    op.create_table('events',
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('subject_id', sa.Uuid(), nullable=False),
    sa.Column('subject_kind', sa.String(length=20), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('event_type', sa.String(length=40), nullable=False),
    sa.Column('is_terminal', sa.Boolean(), nullable=False),
    sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_events')),
    sa.UniqueConstraint('subject_id', 'seq', name=op.f('uq_events_subject_id'))
    )
    op.create_index('uq_events_terminal', 'events', ['subject_id'], unique=True, postgresql_where=sa.text('is_terminal'))
    op.create_table('stored_objects',
    sa.Column('key', sa.String(length=1024), nullable=False),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('task_id', sa.Uuid(), nullable=True),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('content_type', sa.String(length=100), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_stored_objects'))
    )
    op.create_index('ix_stored_objects_task', 'stored_objects', ['task_id'], unique=False)
    op.create_table('workflows',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=1000), nullable=True),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('config', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('suppress_subtask_events', sa.Boolean(), nullable=False),
    sa.Column('webhook_url', sa.String(length=512), nullable=True),
    sa.Column('temporal_id', sa.String(length=64), nullable=False),
    sa.Column('total_steps', sa.Integer(), nullable=False),
    sa.Column('completed_steps', sa.Integer(), nullable=False),
    sa.Column('current_step', sa.String(length=100), nullable=True),
    sa.Column('final_step_id', sa.String(length=100), nullable=True),
    sa.Column('final_step_result', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.Column('errors', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('last_seq', sa.Integer(), server_default='0', nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_reference', sa.String(length=512), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_workflows'))
    )
    op.create_index('ix_workflows_newest', 'workflows', [sa.literal_column('created_at DESC'), sa.literal_column('id DESC')], unique=False)
    op.create_index('ix_workflows_tenant', 'workflows', ['origin_instance', 'origin_tenant_id', sa.literal_column('created_at DESC')], unique=False)
    op.create_table('tasks',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('task_type', sa.String(length=40), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('provider_type', sa.String(length=50), nullable=False),
    sa.Column('queue_name', sa.String(length=50), nullable=False),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.Column('max_retries', sa.Integer(), nullable=False),
    sa.Column('config', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('inputs', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('results', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('progress', sa.Double(), nullable=False),
    sa.Column('attempt', sa.Integer(), server_default='0', nullable=False),
    sa.Column('retry_count', sa.Integer(), nullable=False),
    sa.Column('errors', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('error_category', sa.String(length=30), nullable=True),
    sa.Column('fallback_used', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('executor_type', sa.String(length=50), nullable=True),
    sa.Column('executor_instance', sa.String(length=255), nullable=True),
    sa.Column('service_task_id', sa.String(length=255), nullable=True),
    sa.Column('temporal_id', sa.String(length=64), nullable=False),
    sa.Column('webhook_url', sa.String(length=512), nullable=True),
    sa.Column('workflow_id', sa.Uuid(), nullable=True),
    sa.Column('step_id', sa.String(length=100), nullable=True),
    sa.Column('last_seq', sa.Integer(), server_default='0', nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_reference', sa.String(length=512), nullable=True),
    sa.Column('provider_config', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('active_provider_capabilities', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('fallback_provider_type', sa.String(length=50), nullable=True),
    sa.Column('fallback_provider_config', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('fallback_provider_capabilities', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('is_deleted', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['workflow_id'], ['workflows.id'], name=op.f('fk_tasks_workflow_id_workflows'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tasks'))
    )
    op.create_index('ix_tasks_newest', 'tasks', [sa.literal_column('created_at DESC'), sa.literal_column('id DESC')], unique=False)
    op.create_index('ix_tasks_tenant', 'tasks', ['origin_instance', 'origin_tenant_id', sa.literal_column('created_at DESC')], unique=False)
    op.create_index('ix_tasks_workflow', 'tasks', ['workflow_id'], unique=False)
    op.create_table('workflow_steps',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workflow_id', sa.Uuid(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('step_id', sa.String(length=100), nullable=False),
    sa.Column('task_type', sa.String(length=40), nullable=False),
    sa.Column('config', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('dependencies', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('input_mappings', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('task_id', sa.Uuid(), nullable=True),
    sa.Column('result', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.Column('retry_count', sa.Integer(), nullable=False),
    sa.Column('max_retries', sa.Integer(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('provider_config', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('active_provider_capabilities', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('fallback_provider_type', sa.String(length=50), nullable=True),
    sa.Column('fallback_provider_config', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('fallback_provider_capabilities', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['workflow_id'], ['workflows.id'], name=op.f('fk_workflow_steps_workflow_id_workflows'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_workflow_steps')),
    sa.UniqueConstraint('workflow_id', 'step_id', name=op.f('uq_workflow_steps_workflow_id'))
    )


def downgrade() -> None:
    op.drop_table('workflow_steps')
    op.drop_index('ix_tasks_workflow', table_name='tasks')
    op.drop_index('ix_tasks_tenant', table_name='tasks')
    op.drop_index('ix_tasks_newest', table_name='tasks')
    op.drop_table('tasks')
    op.drop_index('ix_workflows_tenant', table_name='workflows')
    op.drop_index('ix_workflows_newest', table_name='workflows')
    op.drop_table('workflows')
    op.drop_index('ix_stored_objects_task', table_name='stored_objects')
    op.drop_table('stored_objects')
    op.drop_index('uq_events_terminal', table_name='events', postgresql_where=sa.text('is_terminal'))
    op.drop_table('events')
    op.drop_table('api_keys')
