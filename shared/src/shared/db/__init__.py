"""The records: models, sessions and repositories; the only place with SQL."""
