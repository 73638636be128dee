"""Code shared by all Sartiq packages: contracts, database, storage, Temporal, logging."""
