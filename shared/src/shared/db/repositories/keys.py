"""API keys: only their hashes are stored."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models.tables import ApiKey

KEY_START = "sk_"
LAST_USE_INTERVAL = timedelta(minutes=1)
"""Precision of `last_used_at`."""

_PREFIX_LENGTH = 14
_KEY_BYTES = 32


def generate_key() -> str:
    """Generate a key: 256 random bits, URL-safe."""
    return KEY_START + secrets.token_urlsafe(_KEY_BYTES)


def hash_key(key: str) -> str:
    """Return the SHA-256 in hex. Keys have 256 bits of entropy, so no slow hash is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


async def find_valid_key(session: AsyncSession, key: str) -> ApiKey | None:
    """Return the row of a key that is neither expired nor revoked; none otherwise."""
    return await session.scalar(
        select(ApiKey).where(
            ApiKey.key_hash == hash_key(key),
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > datetime.now(UTC)),
        )
    )


async def ensure_key(session: AsyncSession, key: str, *, name: str, scopes: list[str]) -> None:
    """Add a key that was generated elsewhere, unless it exists."""
    await session.execute(
        insert(ApiKey)
        .values(name=name, prefix=key[:_PREFIX_LENGTH], key_hash=hash_key(key), scopes=scopes)
        .on_conflict_do_nothing(index_elements=[ApiKey.key_hash])
    )


@dataclass(frozen=True)
class KeyGrant:
    """Name, scopes, binding and limits of a new key."""

    name: str
    scopes: list[str]
    origin_instance: str | None = None
    origin_tenant_id: str | None = None
    expires_at: datetime | None = None
    requests_per_minute: int | None = None


async def add_key(session: AsyncSession, key: str, grant: KeyGrant) -> ApiKey:
    """Add the row of a new key; only the hash of the key is stored."""
    row = ApiKey(prefix=key[:_PREFIX_LENGTH], key_hash=hash_key(key), **vars(grant))
    session.add(row)
    await session.flush()
    return row


async def list_keys(session: AsyncSession) -> list[ApiKey]:
    """Return all keys, including revoked and expired ones, oldest first."""
    return list(await session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)))


async def find_keys(session: AsyncSession, id_or_prefix: str) -> list[ApiKey]:
    """Return and lock the keys with an id or a whole prefix; several can share a prefix."""
    try:
        condition = ApiKey.id == UUID(id_or_prefix)
    except ValueError:
        condition = ApiKey.prefix == id_or_prefix
    return list(await session.scalars(select(ApiKey).where(condition).with_for_update()))


def revoke_key(row: ApiKey) -> None:
    """Revoke a key; the time of its first revocation is kept."""
    row.revoked_at = row.revoked_at or datetime.now(UTC)


async def touch_keys(session: AsyncSession, key_ids: Collection[UUID]) -> None:
    """Update the time of last use of keys, at most once per interval.

    Rows that another process has locked are skipped, so that processes do not wait for each other.
    """
    now = datetime.now(UTC)
    due = (
        select(ApiKey.id)
        .where(
            ApiKey.id.in_(key_ids),
            or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - LAST_USE_INTERVAL),
        )
        .with_for_update(skip_locked=True)
    )
    await session.execute(
        update(ApiKey)
        .where(ApiKey.id.in_(due.scalar_subquery()))
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )
