"""Which keys sign a tenant's events: made at first need, replaced on request."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.runs import Owner
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
    """Keys, and until when they sign."""

    keys: SigningKeys
    created_at: datetime
    expires_at: datetime | None
    """None: they are the current ones."""


class Keyring:
    """The signing keys of every tenant."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def valid_keys(self, session: AsyncSession, owner: Owner) -> list[DatedKeys]:
        """All that sign now, the newest first; makes the first where there are none."""
        rows = await valid_secrets(session, owner, datetime.now(UTC))
        if not any(row.expires_at is None for row in rows):
            await self._add(session, owner)
            rows = await valid_secrets(session, owner, datetime.now(UTC))
        return [self._opened(row) for row in rows]

    async def rotate(
        self, session: AsyncSession, owner: Owner, overlap: timedelta
    ) -> list[DatedKeys]:
        """Make new keys; older ones sign along for no longer than the overlap.

        Of two rotations at once, both answer the keys of the one that was first.
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
