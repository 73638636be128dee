"""Signatures as Standard Webhooks spells them: HMAC-SHA256 (`v1`) and Ed25519 (`v1a`)."""

import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

_BYTES = 32


@dataclass(frozen=True)
class SigningKeys:
    """A tenant's two keys: one that it shares with us, one of which it knows the public half."""

    secret: bytes = field(repr=False)
    """Key of the HMAC."""
    seed: bytes = field(repr=False)
    """Private key of Ed25519."""

    @classmethod
    def generate(cls) -> "SigningKeys":
        """New ones, from the system's randomness."""
        return cls(secrets.token_bytes(_BYTES), secrets.token_bytes(_BYTES))

    @property
    def shared_secret(self) -> str:
        """The key of the HMAC as receivers take it: `whsec_…`."""
        return f"whsec_{b64encode(self.secret).decode()}"

    @property
    def public_key(self) -> str:
        """The public half of the Ed25519 key as receivers take it: `whpk_…`."""
        return f"whpk_{b64encode(self._private.public_key().public_bytes_raw()).decode()}"

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def sign(self, message_id: str, at: datetime, body: str) -> list[str]:
        """Both signatures of one message."""
        signed = f"{message_id}.{_seconds(at)}.{body}".encode()
        return [
            Webhook(self.secret).sign(message_id, at, body),
            f"v1a,{b64encode(self._private.sign(signed)).decode()}",
        ]


def signed_headers(
    keys: Sequence[SigningKeys], message_id: str, at: datetime, body: str
) -> dict[str, str]:
    """The three headers of a message.

    Args:
        keys: all that are valid, the newest first: a receiver may know any of them.
        message_id: the same at every attempt.
        at: when it is sent, in UTC.
        body: what is sent.
    """
    signatures = [signature for each in keys for signature in each.sign(message_id, at, body)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(_seconds(at)),
        "webhook-signature": " ".join(signatures),
    }


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
