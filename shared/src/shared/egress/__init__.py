"""Requests to URLs that clients name, guarded so that they cannot reach private networks (SSRF)."""
