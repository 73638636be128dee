"""The embedded stack: real Temporal, Postgres and S3 servers out of pip packages, on loopback."""
