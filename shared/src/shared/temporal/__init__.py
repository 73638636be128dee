"""Temporal client, worker bootstrap, heartbeats and error translation."""
