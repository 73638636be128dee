"""Settings that operators give trainings, their figures, and the LoRA of a training."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = '0014'
down_revision: str | None = '0013'
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_COLUMNS = ('operator_settings', 'metrics')


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column('trainings', sa.Column(name, postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True))
    op.create_index('ix_loras_training', 'loras', ['training_id'], postgresql_where=sa.text('training_id IS NOT NULL'))


def downgrade() -> None:
    op.drop_index('ix_loras_training', table_name='loras')
    for name in _COLUMNS:
        op.drop_column('trainings', name)
