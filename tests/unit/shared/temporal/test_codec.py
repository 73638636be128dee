"""Payloads are encrypted if there are keys, and decoded with or without encryption."""

import asyncio
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from shared.settings import TemporalSettings
from shared.temporal.codec import FernetCodec, UndecryptableError, data_converter

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
PROMPT = "a red dress"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def converter(*keys: str, **fields: Any) -> DataConverter:
    secrets = tuple(SecretStr(key) for key in keys)
    return data_converter(TemporalSettings(codec_keys=secrets, **fields))


def make_codec() -> FernetCodec:
    """A payload codec for `SARTIQ_TEMPORAL_CODEC`."""
    return FernetCodec([Fernet(OLD)])


def test_without_keys_nothing_is_encrypted() -> None:
    assert converter() is pydantic_data_converter


@given(VALUES)
def test_value_is_encrypted_and_round_trips(value: Any) -> None:
    async def round_trip() -> None:
        encrypting = converter(NEW)
        [payload] = await encrypting.encode([{"prompt": PROMPT, "value": value}])
        assert PROMPT.encode() not in payload.SerializeToString()
        assert await encrypting.decode([payload]) == [{"prompt": PROMPT, "value": value}]

    asyncio.run(round_trip())


async def test_first_key_encrypts_and_all_decrypt() -> None:
    before = await converter(OLD).encode([PROMPT])
    rotated = converter(NEW, OLD)
    assert await rotated.decode(before) == [PROMPT]
    after = await rotated.encode([PROMPT])
    assert await converter(NEW).decode(after) == [PROMPT]


async def test_unencrypted_payloads_are_still_read() -> None:
    plain = await converter().encode([PROMPT])
    assert await converter(NEW).decode(plain) == [PROMPT]


async def test_missing_key_is_an_error() -> None:
    payloads = await converter(OTHER).encode([PROMPT])
    with pytest.raises(UndecryptableError, match="SARTIQ_TEMPORAL_CODEC_KEYS"):
        await converter(NEW, OLD).decode(payloads)


async def test_failure_hides_its_message_and_its_trace() -> None:
    encrypting = converter(NEW)
    failure = Failure()
    try:
        raise ApplicationError(f"{PROMPT} is refused", PROMPT, type="VALIDATION")
    except ApplicationError as raised:
        await encrypting.encode_failure(raised, failure)
    assert PROMPT.encode() not in failure.SerializeToString()
    assert b"test_codec" not in failure.SerializeToString()
    decoded = await encrypting.decode_failure(failure)
    assert isinstance(decoded, ApplicationError)
    assert (decoded.message, decoded.type) == (f"{PROMPT} is refused", "VALIDATION")


async def test_custom_codec_is_used() -> None:
    [payload] = await converter(codec=f"{__name__}:make_codec").encode([PROMPT])
    assert await converter(OLD).decode([payload]) == [PROMPT]


@pytest.mark.parametrize(
    ("keys", "codec", "reason"),
    [
        ((NEW, "short"), "", "SARTIQ_TEMPORAL_CODEC_KEYS: key 2 is not a Fernet key"),
        ((NEW,), "a:b", "SARTIQ_TEMPORAL_CODEC and SARTIQ_TEMPORAL_CODEC_KEYS exclude each other"),
        ((), "nowhere:codec", "SARTIQ_TEMPORAL_CODEC must be a callable, module:attribute"),
        ((), f"{__name__}:PROMPT", "SARTIQ_TEMPORAL_CODEC must be a callable, module:attribute"),
        ((), "builtins:dict", "SARTIQ_TEMPORAL_CODEC: builtins:dict.. returns dict"),
    ],
)
def test_wrong_setting_is_named(keys: tuple[str, ...], codec: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        converter(*keys, codec=codec)
    assert NEW not in str(refused.value)


def test_payload_of_another_encoding_is_unchanged() -> None:
    payload = Payload(metadata={"encoding": b"binary/plain"}, data=b"x")
    assert asyncio.run(make_codec().decode([payload])) == [payload]
