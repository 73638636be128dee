"""The whole API."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = '0002'
down_revision: str | None = '0001'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('idempotency_keys',
    sa.Column('owner', sa.String(length=255), nullable=False),
    sa.Column('route', sa.String(length=255), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('body_hash', sa.String(length=64), nullable=False),
    sa.Column('answer', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('owner', 'route', 'key', name=op.f('pk_idempotency_keys'))
    )
    op.create_index('ix_idempotency_keys_created_at', 'idempotency_keys', ['created_at'], unique=False)
    op.create_table('loras',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('folder', sa.String(length=40), nullable=False),
    sa.Column('filename', sa.String(length=255), nullable=False),
    sa.Column('original_filename', sa.String(length=255), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('rank', sa.Integer(), nullable=True),
    sa.Column('base_model', sa.String(length=100), nullable=True),
    sa.Column('target_modules', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
    sa.Column('file_metadata', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
    sa.Column('training_id', sa.Uuid(), nullable=True),
    sa.Column('origin_instance', sa.String(length=100), nullable=True),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_loras'))
    )
    op.create_index('ix_loras_newest', 'loras', [sa.literal_column('created_at DESC'), sa.literal_column('id DESC')], unique=False)
    op.create_index('ix_loras_sha256', 'loras', ['sha256'], unique=False)
    op.create_index('uq_loras_folder_name', 'loras', ['folder', 'filename'], unique=True, postgresql_where=sa.text('deleted_at IS NULL'))
    op.create_table('trainings',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('training_type', sa.String(length=20), nullable=False),
    sa.Column('entity_type', sa.String(length=20), nullable=False),
    sa.Column('entity_id', sa.Uuid(), nullable=True),
    sa.Column('origin_version', sa.Text(), nullable=True),
    sa.Column('trigger_word', sa.Text(), nullable=False),
    sa.Column('rank', sa.Integer(), nullable=False),
    sa.Column('steps', sa.Integer(), nullable=False),
    sa.Column('learning_rate', sa.Double(), nullable=False),
    sa.Column('batch_size', sa.Integer(), nullable=False),
    sa.Column('gradient_accumulation', sa.Integer(), nullable=False),
    sa.Column('optimizer', sa.String(length=40), nullable=False),
    sa.Column('save_every', sa.Integer(), nullable=False),
    sa.Column('max_step_saves_to_keep', sa.Integer(), nullable=False),
    sa.Column('sample_every', sa.Integer(), nullable=False),
    sa.Column('sample_steps', sa.Integer(), nullable=False),
    sa.Column('sample_prompts', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
    sa.Column('bypass_guidance_embedding', sa.Boolean(), nullable=False),
    sa.Column('base_model_path', sa.Text(), nullable=False),
    sa.Column('local_model_path', sa.Text(), nullable=True),
    sa.Column('training_folder', sa.Text(), nullable=False),
    sa.Column('source_images', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
    sa.Column('processed_dataset_path', sa.Text(), nullable=True),
    sa.Column('preprocessing_transforms', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('preprocessing_captioning_strategy', sa.String(length=20), nullable=False),
    sa.Column('preprocessing_captioning_prompt', sa.Text(), nullable=True),
    sa.Column('preprocessing_stage', sa.String(length=40), nullable=True),
    sa.Column('processed_files_count', sa.Integer(), nullable=True),
    sa.Column('total_files_count', sa.Integer(), nullable=True),
    sa.Column('preprocessing_started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('preprocessing_completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('progress', sa.Double(), nullable=False),
    sa.Column('current_step', sa.Integer(), nullable=False),
    sa.Column('eta_seconds', sa.Integer(), nullable=True),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.Column('priority_changed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('logs', sa.Text(), nullable=False),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.Column('errors', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
    sa.Column('webhook_url', sa.String(length=512), nullable=True),
    sa.Column('temporal_id', sa.String(length=64), nullable=False),
    sa.Column('last_seq', sa.Integer(), server_default='0', nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('origin_instance', sa.String(length=100), nullable=False),
    sa.Column('origin_zone', sa.String(length=50), nullable=True),
    sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
    sa.Column('origin_reference', sa.String(length=512), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_trainings'))
    )
    op.create_index('ix_trainings_newest', 'trainings', [sa.literal_column('created_at DESC'), sa.literal_column('id DESC')], unique=False)
    op.create_index('ix_trainings_status', 'trainings', ['status', sa.literal_column('created_at DESC')], unique=False)
    op.create_index('ix_trainings_tenant', 'trainings', ['origin_instance', 'origin_tenant_id', sa.literal_column('created_at DESC')], unique=False)
    op.create_table('worker_memory',
    sa.Column('identity', sa.String(length=255), nullable=False),
    sa.Column('rss_bytes', sa.BigInteger(), nullable=False),
    sa.Column('vram_bytes', sa.BigInteger(), nullable=True),
    sa.Column('reported_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('identity', name=op.f('pk_worker_memory'))
    )
    op.add_column('api_keys', sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('api_keys', sa.Column('requests_per_minute', sa.Integer(), nullable=True))
    op.add_column('tasks', sa.Column('service_requests', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), server_default='[]', nullable=False))
    op.add_column('tasks', sa.Column('is_resumed', sa.Boolean(), server_default='false', nullable=False))
    op.add_column('tasks', sa.Column('resume_attempt_count', sa.Integer(), server_default='0', nullable=False))
    op.add_column('tasks', sa.Column('last_resume_attempt', sa.DateTime(timezone=True), nullable=True))
    op.create_index('ix_tasks_provider', 'tasks', ['provider_type', sa.literal_column('created_at DESC')], unique=False)
    op.create_index('ix_tasks_status', 'tasks', ['status', sa.literal_column('created_at DESC')], unique=False)
    op.create_index('ix_tasks_type', 'tasks', ['task_type', sa.literal_column('created_at DESC')], unique=False)
    op.create_index('ix_tasks_zone', 'tasks', ['origin_zone', sa.literal_column('created_at DESC')], unique=False)
    op.create_index('ix_workflows_status', 'workflows', ['status', sa.literal_column('created_at DESC')], unique=False)
    op.create_index('ix_workflows_zone', 'workflows', ['origin_zone', sa.literal_column('created_at DESC')], unique=False)


def downgrade() -> None:
    op.drop_index('ix_workflows_zone', table_name='workflows')
    op.drop_index('ix_workflows_status', table_name='workflows')
    op.drop_index('ix_tasks_zone', table_name='tasks')
    op.drop_index('ix_tasks_type', table_name='tasks')
    op.drop_index('ix_tasks_status', table_name='tasks')
    op.drop_index('ix_tasks_provider', table_name='tasks')
    op.drop_column('tasks', 'last_resume_attempt')
    op.drop_column('tasks', 'resume_attempt_count')
    op.drop_column('tasks', 'is_resumed')
    op.drop_column('tasks', 'service_requests')
    op.drop_column('api_keys', 'requests_per_minute')
    op.drop_column('api_keys', 'last_used_at')
    op.drop_table('worker_memory')
    op.drop_index('ix_trainings_tenant', table_name='trainings')
    op.drop_index('ix_trainings_status', table_name='trainings')
    op.drop_index('ix_trainings_newest', table_name='trainings')
    op.drop_table('trainings')
    op.drop_index('uq_loras_folder_name', table_name='loras', postgresql_where=sa.text('deleted_at IS NULL'))
    op.drop_index('ix_loras_sha256', table_name='loras')
    op.drop_index('ix_loras_newest', table_name='loras')
    op.drop_table('loras')
    op.drop_index('ix_idempotency_keys_created_at', table_name='idempotency_keys')
    op.drop_table('idempotency_keys')
