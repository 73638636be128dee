"""What every Sartiq package shares: contracts, records, storage, Temporal and telemetry plumbing."""
