"""All tables together: who needs the whole schema imports it from here."""

from shared.db.models import (
    breakers,
    counts,
    evaluations,
    idempotency,
    loras,
    tables,
    trainings,
    webhooks,
    workers,
)
from shared.db.models.base import Base

MODULES = (
    breakers,
    counts,
    evaluations,
    idempotency,
    loras,
    tables,
    trainings,
    webhooks,
    workers,
)
METADATA = Base.metadata
