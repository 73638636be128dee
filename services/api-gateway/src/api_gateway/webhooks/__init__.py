"""Webhooks: allowed URLs, the delivery log, receivers, and the keys that sign events."""
