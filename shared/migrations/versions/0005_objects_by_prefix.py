"""Collation "C" for object keys, so that a prefix is a range whatever the database's collation."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0005'
down_revision: str | None = '0004'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.alter_column('stored_objects', 'key', type_=sa.String(length=1024, collation='C'))
    op.create_index('ix_stored_objects_tenant', 'stored_objects', ['origin_instance', 'origin_tenant_id', 'key'], unique=False)
    op.create_index('ix_stored_objects_instance', 'stored_objects', ['origin_instance', 'key'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_stored_objects_instance', table_name='stored_objects')
    op.drop_index('ix_stored_objects_tenant', table_name='stored_objects')
    op.alter_column('stored_objects', 'key', type_=sa.String(length=1024, collation='default'))
