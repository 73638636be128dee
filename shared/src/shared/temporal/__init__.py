"""Temporal: client, worker lifecycle, heartbeats, error translation, fairness and monitoring."""
