"""Signing keys at rest: encrypted, with keys that the database does not know."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.errors import PlatformError
from shared.settings import WebhookSettings


class UndecryptableSecretError(PlatformError):
    """A signing key was encrypted with a key that the settings do not have."""


class Vault:
    """Encrypts with the first key of the settings, and decrypts with any of them."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in settings.fernet_keys])

    def seal(self, secret: bytes) -> str:
        """Encrypt; what comes out may be stored."""
        return self._fernet.encrypt(secret).decode()

    def unseal(self, sealed: str) -> bytes:
        """Decrypt.

        Raises:
            UndecryptableSecretError: none of the keys fits.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise UndecryptableSecretError(
                "a signing key was encrypted with a key that SARTIQ_WEBHOOKS_ENCRYPTION_KEYS lacks"
            ) from error
