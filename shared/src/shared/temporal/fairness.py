"""The key by which Temporal shares workers fairly: the tenant, else the instance."""

import hashlib

_MAX_BYTES = 64


def fairness_key(origin_instance: str, origin_tenant_id: str | None) -> str:
    """At most 64 bytes, which is what Temporal takes; longer names stand as their SHA-256."""
    name = origin_tenant_id or origin_instance
    if len(name.encode()) <= _MAX_BYTES:
        return name
    return hashlib.sha256(name.encode()).hexdigest()
