"""Webhooks: deliveries, failing receivers, signing keys."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = '0008'
down_revision: str | None = '0007'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'webhook_deliveries',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('event_id', sa.BigInteger(), nullable=False),
        sa.Column('subject_id', sa.Uuid(), nullable=False),
        sa.Column('subject_kind', sa.String(length=20), nullable=False),
        sa.Column('seq', sa.Integer(), nullable=False),
        sa.Column('event_type', sa.String(length=40), nullable=False),
        sa.Column('url', sa.String(length=512), nullable=False),
        sa.Column('status', sa.String(length=20), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('attempts', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('origin_instance', sa.String(length=100), nullable=False),
        sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(['event_id'], ['events.id'], name=op.f('fk_webhook_deliveries_event_id_events'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_deliveries')),
        sa.UniqueConstraint('event_id', name=op.f('uq_webhook_deliveries_event_id')),
        sa.UniqueConstraint('subject_id', 'seq', name=op.f('uq_webhook_deliveries_subject_id')),
    )
    op.create_index('ix_webhook_deliveries_pending', 'webhook_deliveries', ['subject_id', 'seq'], postgresql_where=sa.text("status = 'pending'"))
    op.create_index('ix_webhook_deliveries_newest', 'webhook_deliveries', [sa.text('created_at DESC'), sa.text('id DESC')])
    op.create_index('ix_webhook_deliveries_tenant', 'webhook_deliveries', ['origin_instance', 'origin_tenant_id', sa.text('created_at DESC')])

    op.create_table(
        'webhook_endpoints',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('url', sa.String(length=512), nullable=False),
        sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
        sa.Column('failed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('disabled_reason', sa.String(length=200), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('origin_instance', sa.String(length=100), nullable=False),
        sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_endpoints')),
    )
    op.create_index('uq_webhook_endpoints_url', 'webhook_endpoints', ['origin_instance', 'origin_tenant_id', 'url'], unique=True, postgresql_nulls_not_distinct=True)

    op.create_table(
        'webhook_secrets',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('sealed_secret', sa.Text(), nullable=False),
        sa.Column('sealed_seed', sa.Text(), nullable=False),
        sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('origin_instance', sa.String(length=100), nullable=False),
        sa.Column('origin_tenant_id', sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_secrets')),
    )
    op.create_index('uq_webhook_secrets_current', 'webhook_secrets', ['origin_instance', 'origin_tenant_id'], unique=True, postgresql_where=sa.text('expires_at IS NULL'), postgresql_nulls_not_distinct=True)
    op.create_index('ix_webhook_secrets_owner', 'webhook_secrets', ['origin_instance', 'origin_tenant_id'])


def downgrade() -> None:
    op.drop_table('webhook_secrets')
    op.drop_table('webhook_endpoints')
    op.drop_table('webhook_deliveries')
