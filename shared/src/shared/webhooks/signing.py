"""Signatures of Standard Webhooks: HMAC-SHA256 (`v1`) and Ed25519 (`v1a`)."""

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
    """A tenant's signing keys: a shared HMAC secret and an Ed25519 private key."""

    secret: bytes = field(repr=False)
    """HMAC key, 32 bytes."""
    seed: bytes = field(repr=False)
    """Ed25519 private key, 32 bytes."""

    @classmethod
    def generate(cls) -> "SigningKeys":
        """Generate new keys from the system's random source."""
        return cls(secrets.token_bytes(_BYTES), secrets.token_bytes(_BYTES))

    @property
    def shared_secret(self) -> str:
        """The HMAC key in the format of Standard Webhooks: `whsec_…`."""
        return f"whsec_{b64encode(self.secret).decode()}"

    @property
    def public_key(self) -> str:
        """The Ed25519 public key in the format of Standard Webhooks: `whpk_…`."""
        return f"whpk_{b64encode(self._private.public_key().public_bytes_raw()).decode()}"

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def sign(self, message_id: str, at: datetime, body: str) -> list[str]:
        """Return both signatures of one message."""
        signed = f"{message_id}.{_seconds(at)}.{body}".encode()
        return [
            Webhook(self.secret).sign(message_id, at, body),
            f"v1a,{b64encode(self._private.sign(signed)).decode()}",
        ]


def signed_headers(
    keys: Sequence[SigningKeys], message_id: str, at: datetime, body: str
) -> dict[str, str]:
    """Return the id, timestamp and signature headers of a message.

    Args:
        keys: all valid keys, newest first: a receiver may know any of them.
        message_id: the same in every attempt.
        at: time of sending, in UTC.
        body: body of the request.
    """
    signatures = [signature for each in keys for signature in each.sign(message_id, at, body)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(_seconds(at)),
        "webhook-signature": " ".join(signatures),
    }


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
