"""The code samples of docs/webhooks.md run unchanged."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.webhooks.signing import SigningKeys, signed_headers

PAGE = Path(__file__).parents[4] / "docs" / "webhooks.md"
[ED25519] = [s for s in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "v1a" in s]
BODY = b'{"a":1}'


def headers_by(*keys: SigningKeys) -> dict[str, str]:
    return signed_headers(list(keys), "msg_1", datetime.now(UTC), BODY.decode())


@pytest.mark.parametrize("known", [0, 1])
def test_either_key_verifies_during_rotation(known: int) -> None:
    keys = SigningKeys.generate(), SigningKeys.generate()
    names = {"headers": headers_by(*keys), "body": BODY, "public_key": keys[known].public_key}
    exec(ED25519, names)


def test_event_with_another_key_does_not_verify() -> None:
    names = {
        "headers": headers_by(SigningKeys.generate()),
        "body": BODY,
        "public_key": SigningKeys.generate().public_key,
    }
    with pytest.raises(AssertionError):
        exec(ED25519, names)
