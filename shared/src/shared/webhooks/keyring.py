"""Signing keys of tenants: created at first use, rotated on request."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.owners import Owner
from shared.db.models.webhooks import WebhookSecret
from shared.db.repositories.webhook_secrets import (
    add_secret,
    expire_secrets,
    valid_secrets,
)
from shared.webhooks.signing import SigningKeys
from shared.webhooks.vault import Vault


@dataclass(frozen=True)
class DatedKeys:
    """Signing keys with their period of validity."""

    keys: SigningKeys
    created_at: datetime
    expires_at: datetime | None
    """None: the current keys."""


class Keyring:
    """The signing keys of all tenants, encrypted in the database."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def valid_keys(self, session: AsyncSession, owner: Owner) -> list[DatedKeys]:
        """Return all valid keys, newest first; create the first ones if there are none."""
        rows = await valid_secrets(session, owner, datetime.now(UTC))
        if not any(row.expires_at is None for row in rows):
            await self._add(session, owner)
            rows = await valid_secrets(session, owner, datetime.now(UTC))
        return [self._opened(row) for row in rows]

    async def rotate(
        self, session: AsyncSession, owner: Owner, overlap: timedelta
    ) -> list[DatedKeys]:
        """Create new keys; older ones stay valid for at most the overlap.

        Of two concurrent rotations, both return the keys of the first.
        """
        await expire_secrets(session, owner, datetime.now(UTC) + overlap)
        await self._add(session, owner)
        return await self.valid_keys(session, owner)

    async def _add(self, session: AsyncSession, owner: Owner) -> None:
        keys = SigningKeys.generate()
        await add_secret(session, owner, self._vault.seal(keys.secret), self._vault.seal(keys.seed))

    def _opened(self, row: WebhookSecret) -> DatedKeys:
        keys = SigningKeys(
            self._vault.unseal(row.sealed_secret), self._vault.unseal(row.sealed_seed)
        )
        return DatedKeys(keys, row.created_at, row.expires_at)
