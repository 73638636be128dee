"""The fairness key, by which Temporal shares workers among tenants."""

import hashlib

_MAX_BYTES = 64


def tenant_name(origin_instance: str, origin_tenant_id: str | None) -> str:
    """Return the name of the tenant for fair sharing: the tenant, otherwise the instance."""
    return origin_tenant_id or origin_instance


def fairness_key(origin_instance: str, origin_tenant_id: str | None) -> str:
    """Return the tenant's name, or its SHA-256 in hex if it exceeds the limit of 64 bytes."""
    name = tenant_name(origin_instance, origin_tenant_id)
    if len(name.encode()) <= _MAX_BYTES:
        return name
    return hashlib.sha256(name.encode()).hexdigest()
