"""The data converter: JSON by pydantic, encrypted if the settings have keys."""

import dataclasses
import pkgutil
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

from shared.settings import TemporalSettings

_ENCODING = b"binary/encrypted"
_KEYS, _CODEC = "SARTIQ_TEMPORAL_CODEC_KEYS", "SARTIQ_TEMPORAL_CODEC"


class UndecryptableError(Exception):
    """A payload cannot be decrypted with the configured keys."""


class FernetCodec(PayloadCodec):
    """Encrypts whole payloads, including their encoding.

    Unencrypted payloads are decoded unchanged, so that runs which started before there were keys
    can continue.

    Args:
        keys: the first encrypts, all decrypt.
    """

    def __init__(self, keys: Sequence[Fernet]) -> None:
        self._fernet = MultiFernet(keys)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt payloads."""
        return [
            Payload(
                metadata={"encoding": _ENCODING},
                data=self._fernet.encrypt(payload.SerializeToString()),
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt payloads.

        Raises:
            UndecryptableError: a key is missing.
        """
        return [self._decrypt(payload) for payload in payloads]

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            return payload
        try:
            return Payload.FromString(self._fernet.decrypt(payload.data))
        except InvalidToken as error:
            raise UndecryptableError(
                f"no key in {_KEYS} decrypts a payload; add the key that encrypted it"
            ) from error


def data_converter(settings: TemporalSettings) -> DataConverter:
    """Return the data converter of all clients.

    With a codec, messages and stack traces of failures are encoded as well: they may quote inputs.

    Raises:
        ValueError: a setting is invalid; the message names it.
    """
    codec = _codec(settings)
    if codec is None:
        return pydantic_data_converter
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def _codec(settings: TemporalSettings) -> PayloadCodec | None:
    if settings.codec and settings.codec_keys:
        raise ValueError(f"{_CODEC} and {_KEYS} exclude each other; set one of them")
    if settings.codec:
        return _own_codec(settings.codec)
    keys = [key.get_secret_value() for key in settings.codec_keys]
    return FernetCodec([_key(key, number) for number, key in enumerate(keys, 1)]) if keys else None


def _key(key: str, number: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError as error:
        raise ValueError(f"{_KEYS}: key {number} is not a Fernet key: {error}") from None


def _own_codec(name: str) -> PayloadCodec:
    try:
        codec = pkgutil.resolve_name(name)()
    except (ValueError, ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"{_CODEC} must be a callable, module:attribute: {error}") from error
    if not isinstance(codec, PayloadCodec):
        raise ValueError(f"{_CODEC}: {name}() returns {type(codec).__name__}, not a PayloadCodec")
    return codec
