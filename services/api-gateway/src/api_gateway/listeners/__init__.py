"""Listeners of the gateway, with limits on the cost of a connection."""
