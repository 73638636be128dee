"""The key by which Temporal shares workers fairly: the tenant, else the instance."""

import hashlib

_MAX_BYTES = 64


def tenant_name(origin_instance: str, origin_tenant_id: str | None) -> str:
    """Who counts as one tenant where work is shared out."""
    return origin_tenant_id or origin_instance


def fairness_key(origin_instance: str, origin_tenant_id: str | None) -> str:
    """At most 64 bytes, which is what Temporal takes; longer names stand as their SHA-256."""
    name = tenant_name(origin_instance, origin_tenant_id)
    if len(name.encode()) <= _MAX_BYTES:
        return name
    return hashlib.sha256(name.encode()).hexdigest()
