"""All tables together: who needs the whole schema imports it from here."""

from shared.db.models import idempotency, loras, tables, trainings, workers

MODULES = (idempotency, loras, tables, trainings, workers)
METADATA = tables.Base.metadata
