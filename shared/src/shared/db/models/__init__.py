"""Tables. Importing `shared.db.models.registry` registers all of them."""
