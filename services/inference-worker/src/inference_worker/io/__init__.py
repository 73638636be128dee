"""Pictures and records into and out of the object store."""
