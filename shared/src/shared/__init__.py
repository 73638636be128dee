"""What every Sartiq package shares: contracts, records, storage, Temporal, telemetry."""
