"""Object keys of saved pictures, notes of objects that may have no owner, marks of missing objects.

Only adds empty columns and tables: the previous release keeps working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = '0011'
down_revision: str | None = '0010'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_KEY = sa.String(length=1024, collation='C')


def upgrade() -> None:
    op.add_column('stored_objects', sa.Column('object_key', _KEY, nullable=True))
    op.add_column('stored_objects', sa.Column('lost_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index('uq_stored_objects_object_key', 'stored_objects', ['object_key'], unique=True, postgresql_where=sa.text('object_key IS NOT NULL'))
    op.create_index('ix_stored_objects_lost', 'stored_objects', ['key'], unique=False, postgresql_where=sa.text('lost_at IS NOT NULL'))
    op.add_column('trainings', sa.Column('picture_objects', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True))
    op.create_table('loose_objects',
    sa.Column('key', _KEY, nullable=False),
    sa.Column('noted_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_loose_objects'))
    )
    op.create_index('ix_loose_objects_oldest', 'loose_objects', ['noted_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_loose_objects_oldest', table_name='loose_objects')
    op.drop_table('loose_objects')
    op.drop_column('trainings', 'picture_objects')
    op.drop_index('ix_stored_objects_lost', table_name='stored_objects')
    op.drop_index('uq_stored_objects_object_key', table_name='stored_objects')
    op.drop_column('stored_objects', 'lost_at')
    op.drop_column('stored_objects', 'object_key')
