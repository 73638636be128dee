"""The tables. Importing `shared.db.models.tables` registers them all."""
