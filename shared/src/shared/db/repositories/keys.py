"""API keys: only their hashes are stored."""

import hashlib
from datetime import UTC, datetime

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models.tables import ApiKey

_PREFIX_LENGTH = 14


def hash_key(key: str) -> str:
    """SHA-256 in hex: keys have 256 bits of entropy, so a slow hash would protect nothing."""
    return hashlib.sha256(key.encode()).hexdigest()


async def find_valid_key(session: AsyncSession, key: str) -> ApiKey | None:
    """The row of a key that is neither expired nor revoked."""
    return await session.scalar(
        select(ApiKey).where(
            ApiKey.key_hash == hash_key(key),
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > datetime.now(UTC)),
        )
    )


async def ensure_key(session: AsyncSession, key: str, *, name: str, scopes: list[str]) -> None:
    """Let a key in that was made elsewhere; nothing happens if it is known."""
    await session.execute(
        insert(ApiKey)
        .values(name=name, prefix=key[:_PREFIX_LENGTH], key_hash=hash_key(key), scopes=scopes)
        .on_conflict_do_nothing(index_elements=[ApiKey.key_hash])
    )
