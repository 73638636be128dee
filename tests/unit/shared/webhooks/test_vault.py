"""Signing keys are encrypted at rest, and readable with any key of the settings."""

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError

from shared.settings import WebhookSettings
from shared.webhooks.vault import UndecryptableSecretError, Vault


def vault(*keys: str) -> Vault:
    return Vault(WebhookSettings(encryption_keys=SecretStr(",".join(keys))))


def fernet_key() -> str:
    return Fernet.generate_key().decode()


def test_secrets_are_encrypted_and_round_trip() -> None:
    one = vault(fernet_key())
    sealed = one.seal(b"a secret of thirty-two bytes ....")
    assert "secret" not in sealed
    assert one.unseal(sealed) == b"a secret of thirty-two bytes ...."


def test_older_keys_still_decrypt() -> None:
    old, new = fernet_key(), fernet_key()
    sealed = vault(old).seal(b"x")
    assert vault(new, old).unseal(sealed) == b"x"
    with pytest.raises(UndecryptableSecretError, match="SARTIQ_WEBHOOKS_ENCRYPTION_KEYS"):
        vault(new).unseal(sealed)


@pytest.mark.parametrize("keys", ["", "abc", "not base64 !", "=" * 44, ","])
def test_invalid_keys_are_refused_by_the_settings(keys: str) -> None:
    with pytest.raises(ValidationError, match="generate_key"):
        WebhookSettings(encryption_keys=SecretStr(keys))


def test_keys_do_not_show_in_a_repr() -> None:
    key = fernet_key()
    assert key not in repr(WebhookSettings(encryption_keys=SecretStr(key)))
