"""The database ("the records"): models, sessions and repositories; the only place with SQL."""
