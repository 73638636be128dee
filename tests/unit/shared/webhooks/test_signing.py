"""Signatures verify with the public library and with plain Ed25519."""

import base64
import re
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from standardwebhooks import Webhook, WebhookVerificationError

from shared.webhooks.signing import SigningKeys, signed_headers
from tests.fixtures.receiver import Post

BODY = '{"status":"COMPLETED","prompt":"une robe bleuâtre ✂"}'


def post(*keys: SigningKeys, body: str = BODY) -> Post:
    headers = signed_headers(keys, "msg_1", datetime.now(UTC), BODY)
    return Post("/", headers, body.encode())


def test_public_library_verifies_the_shared_secret() -> None:
    keys = SigningKeys.generate()
    assert post(keys).verify(keys.shared_secret)["status"] == "COMPLETED"


def test_public_key_verifies_the_asymmetric_signature() -> None:
    keys = SigningKeys.generate()
    post(keys).verify_public(keys.public_key)
    with pytest.raises(InvalidSignature):
        post(keys, body=BODY + " ").verify_public(keys.public_key)


def test_changed_body_and_other_secret_do_not_verify() -> None:
    keys = SigningKeys.generate()
    with pytest.raises(WebhookVerificationError):
        post(keys, body=BODY.replace("COMPLETED", "FAILED")).verify(keys.shared_secret)
    with pytest.raises(WebhookVerificationError):
        post(keys).verify(SigningKeys.generate().shared_secret)


def test_while_keys_are_replaced_either_verifies() -> None:
    new, old = SigningKeys.generate(), SigningKeys.generate()
    sent = post(new, old)
    for keys in (new, old):
        sent.verify(keys.shared_secret)
    versions = [each.split(",")[0] for each in sent.headers["webhook-signature"].split(" ")]
    assert versions == ["v1", "v1a", "v1", "v1a"]
    sent.verify_public(new.public_key)


def test_keys_have_the_format_of_the_specification() -> None:
    keys = SigningKeys.generate()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", keys.shared_secret)
    assert re.fullmatch(r"whpk_[A-Za-z0-9+/]{43}=", keys.public_key)


def test_known_message_has_the_known_signature() -> None:
    """The example of the specification is verified."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    keys = SigningKeys(secret, bytes(32))
    at = datetime.fromtimestamp(1614265330, UTC)
    [hmac, _] = keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')
    assert hmac == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    theirs = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert theirs.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}') == hmac


def test_keys_do_not_show_in_a_repr() -> None:
    keys = SigningKeys(b"secret-secret", b"seed-seed")
    assert "secret-secret" not in repr(keys)
    assert "seed-seed" not in repr(keys)
