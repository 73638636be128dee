"""Credentials of a stack, generated at its first start and stored in its state folder only."""

import base64
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

from local_stack.settings import LocalSettings
from local_stack.state import write_private


def _token() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(32))


def _access_key() -> SecretStr:
    return SecretStr(secrets.token_hex(10).upper())


def _fernet_key() -> SecretStr:
    return SecretStr(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())


def _api_key() -> SecretStr:
    return SecretStr(f"sk_sartiq_{secrets.token_urlsafe(32)}")


class Credentials(BaseModel):
    """The secrets of one stack."""

    model_config = ConfigDict(frozen=True)

    postgres_password: SecretStr = Field(default_factory=_token)
    s3_access_key: SecretStr = Field(default_factory=_access_key)
    s3_secret_key: SecretStr = Field(default_factory=_token)
    api_key: SecretStr = Field(default_factory=_api_key)
    progress_token: SecretStr = Field(default_factory=_token)
    webhook_encryption_key: SecretStr = Field(default_factory=_fernet_key)
    sandbox_key: SecretStr = Field(default_factory=_token)

    @field_serializer("*", when_used="json")
    def _reveal(self, secret: SecretStr) -> str:
        return secret.get_secret_value()


def credentials_path(state_dir: Path) -> Path:
    """Return the path of a state folder's credentials file."""
    return state_dir / "credentials.json"


def load_credentials(settings: LocalSettings) -> Credentials:
    """Load the credentials of the state folder, and generate missing ones.

    Credentials in the settings take precedence, and are not written to the file.
    """
    path = credentials_path(settings.state_dir)
    known = path.read_text(encoding="utf-8") if path.exists() else "{}"
    stored = Credentials.model_validate_json(known)
    # The file of an older release lacks newer credentials.
    if stored.model_fields_set != Credentials.model_fields.keys():
        write_private(path, stored.model_dump_json(indent=2))
    chosen = {
        name: secret
        for name in Credentials.model_fields
        if (secret := getattr(settings, name)) is not None
    }
    return stored.model_copy(update=chosen)
