"""Encryption of signing keys at rest, with keys that are not in the database."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.errors import PlatformError
from shared.settings import WebhookSettings


class UndecryptableSecretError(PlatformError):
    """A signing key cannot be decrypted with the keys in the settings."""


class Vault:
    """Encrypts with the first key of the settings; decrypts with any of them."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in settings.fernet_keys])

    def seal(self, secret: bytes) -> str:
        """Encrypt a secret; the result may be stored."""
        return self._fernet.encrypt(secret).decode()

    def unseal(self, sealed: str) -> bytes:
        """Decrypt a secret.

        Raises:
            UndecryptableSecretError: none of the keys decrypts it.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise UndecryptableSecretError(
                "a signing key was encrypted with a key that is not in"
                " SARTIQ_WEBHOOKS_ENCRYPTION_KEYS; add that key"
            ) from error
