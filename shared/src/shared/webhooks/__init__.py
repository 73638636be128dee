"""Webhook deliveries: retry schedule, signatures, signing keys and HTTP requests."""
