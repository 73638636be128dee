"""Activities of the workflow worker: records, fetching, deliveries, reconciliation."""
