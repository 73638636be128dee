"""Webhooks: which may be called, what was delivered, and the keys that sign."""
