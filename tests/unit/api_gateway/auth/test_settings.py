from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from api_gateway.auth.settings import AuthSettings, JwtAlgorithm, is_safe_url
from tests.fixtures.tokens import SECRET, ec_key, public_pem, rsa_key

PRIVATE_PEM = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
URL = "https://issuer.example/jwks.json"


def build(algorithm: str, **fields: Any) -> AuthSettings:
    common = {"jwt_algorithm": algorithm, "jwt_issuer": "i", "jwt_audience": "a"}
    return AuthSettings.model_validate(common | fields)


@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [
        ("HS256", {"jwt_secret": SECRET}),
        ("RS256", {"jwt_public_key": public_pem(rsa_key())}),
        ("RS256", {"jwt_jwks_url": URL}),
        ("ES256", {"jwt_public_key": public_pem(ec_key())}),
        ("ES256", {"jwt_jwks_url": "http://127.0.0.1:8080/jwks"}),
    ],
)
def test_one_key_of_the_algorithms_kind_is_enough(algorithm: str, fields: dict[str, Any]) -> None:
    assert build(algorithm, **fields).jwt_algorithm is JwtAlgorithm(algorithm)


@pytest.mark.parametrize(
    ("algorithm", "fields", "reason"),
    [
        ("none", {"jwt_secret": SECRET}, "HS256"),
        ("HS512", {"jwt_secret": SECRET}, "HS256"),
        ("HS256", {}, "32 bytes"),
        ("HS256", {"jwt_secret": "short"}, "32 bytes"),
        ("HS256", {"jwt_secret": SECRET, "jwt_issuer": ""}, "jwt_issuer"),
        ("HS256", {"jwt_secret": SECRET, "jwt_audience": ""}, "jwt_audience"),
        ("HS256", {"jwt_secret": SECRET, "jwt_jwks_url": URL}, "only jwt_secret"),
        ("RS256", {}, "either"),
        ("RS256", {"jwt_secret": SECRET}, "no secret"),
        ("RS256", {"jwt_public_key": public_pem(rsa_key()), "jwt_jwks_url": URL}, "either"),
        ("RS256", {"jwt_public_key": public_pem(rsa_key("weak", 1024))}, "2048 bits"),
        ("RS256", {"jwt_public_key": public_pem(ec_key())}, "RSA"),
        ("RS256", {"jwt_public_key": PRIVATE_PEM}, "not a public key"),
        ("RS256", {"jwt_public_key": SECRET}, "not a public key"),
        ("ES256", {"jwt_public_key": public_pem(ec_key("p384", ec.SECP384R1))}, "P-256"),
        ("RS256", {"jwt_jwks_url": "http://issuer.example/jwks"}, "https"),
    ],
)
def test_settings_that_would_let_others_in_are_refused_at_the_start(
    algorithm: str, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        build(algorithm, **fields)


@pytest.mark.parametrize(
    ("algorithm", "field"), [("HS256", "jwt_secret"), ("RS256", "jwt_public_key")]
)
def test_refusal_does_not_show_key_material(algorithm: str, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        build(algorithm, **{field: "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        (URL, True),
        ("http://localhost/jwks", True),
        ("http://[::1]:9/jwks", True),
        ("http://localhost.evil.example/", False),
        ("http://127.0.0.1@evil.example/", False),
        ("https://user:word@issuer.example/", False),
        ("file:///etc/keys", False),
        ("https://", False),
        ("", False),
    ],
)
def test_keys_come_from_https_or_loopback(url: str, *, is_safe: bool) -> None:
    assert is_safe_url(url) is is_safe


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "JWT_ALGORITHM": "HS256",
        "JWT_SECRET": SECRET,
        "JWT_ISSUER": "i",
        "JWT_AUDIENCE": "a",
        "JWT_SCOPE_CLAIMS": '["scp"]',
        "FAILURES_PER_MINUTE": "30",
    }.items():
        monkeypatch.setenv(f"SARTIQ_AUTH_{name}", value)
    settings = AuthSettings()
    assert settings.jwt_scope_claims == ("scp",)
    assert settings.failures_per_minute == 30
    assert SECRET not in repr(settings)
