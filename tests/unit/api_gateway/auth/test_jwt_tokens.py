"""Accepted tokens, and every kind of token that must be refused."""

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest

from api_gateway.auth.claims import TokenError
from api_gateway.auth.jwt_tokens import TokenVerifier
from api_gateway.auth.principal import Principal
from api_gateway.auth.settings import AuthSettings, JwtAlgorithm
from shared.db.repositories.scope import Scope
from tests.fixtures.tokens import (
    AUDIENCE,
    ISSUER,
    SECRET,
    claims,
    ec_key,
    forged,
    public_pem,
    rsa_key,
    settings,
    token,
)

RS256, ES256, HS256 = JwtAlgorithm.RS256, JwtAlgorithm.ES256, JwtAlgorithm.HS256
MINUTE = timedelta(minutes=1)
PEM = public_pem(rsa_key())


async def verify(text: str, chosen: AuthSettings | None = None) -> Principal:
    verifier = TokenVerifier.from_settings(chosen or settings())
    assert verifier is not None
    try:
        return await verifier.verify(text)
    finally:
        await verifier.close()


def test_without_an_algorithm_no_token_is_taken() -> None:
    assert TokenVerifier.from_settings(AuthSettings()) is None


@pytest.mark.parametrize(
    ("algorithm", "key"), [(HS256, SECRET), (RS256, rsa_key()), (ES256, ec_key())]
)
async def test_good_token_stands_for_its_subject(algorithm: JwtAlgorithm, key: Any) -> None:
    principal = await verify(token(key, algorithm), settings(algorithm))

    assert principal == Principal(
        f"jwt:{ISSUER}:backend", Scope("shop", "acme"), frozenset({"compute"})
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -MINUTE},
        {"nbf": MINUTE},
        {"iat": MINUTE},
        {"aud": ["other", AUDIENCE]},
        {"exp": 4e9 + 0.5},
        {"nbf": -MINUTE},
    ],
)
async def test_what_is_right_within_the_leeway_is_taken(changes: dict[str, Any]) -> None:
    lenient = settings(jwt_leeway_s=120)
    assert (await verify(token(**changes), lenient)).scope == Scope("shop", "acme")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": -MINUTE}, "expired"),
        ({"exp": None}, "lacks the claim `exp`"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": float("inf")}, "malformed"),
        ({"exp": float("nan")}, "malformed"),
        ({"exp": [1]}, "malformed"),
        ({"nbf": MINUTE}, "not valid yet"),
        ({"nbf": "later"}, "malformed"),
        ({"iat": MINUTE}, "not valid yet"),
        ({"aud": None}, "lacks the claim `aud`"),
        ({"aud": "other"}, "another audience"),
        ({"aud": []}, "lacks the claim `aud`"),
        ({"aud": {"sartiq": True}}, "another audience"),
        ({"aud": AUDIENCE + "x"}, "another audience"),
        ({"iss": None}, "lacks the claim `iss`"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"sub": None}, "lacks the claim `sub`"),
        ({"sub": ""}, "`sub` must be a string"),
        ({"sub": "a\0b"}, "`sub` must be a string"),
        ({"sub": "s" * 256}, "`sub` must be a string"),
        ({"origin_instance": ""}, "`origin_instance` must be a string"),
        ({"origin_instance": ["shop"]}, "`origin_instance` must be a string"),
        ({"origin_instance": "i" * 101}, "`origin_instance` must be a string"),
        ({"origin_instance": None}, "lacks the claim `origin_instance`"),
        ({"origin_tenant_id": ""}, "`origin_tenant_id` must be a string"),
        ({"origin_tenant_id": 7}, "`origin_tenant_id` must be a string"),
        ({"scope": {"admin": True}}, "`scope` must be a string or a list"),
        ({"scope": ["admin", 1]}, "`scope` must be a string or a list"),
    ],
)
async def test_token_with_wrong_claims_is_refused(changes: dict[str, Any], reason: str) -> None:
    # Built by hand: the library refuses to create some of these.
    text = forged({"alg": "HS256", "typ": "JWT"}, claims(**changes), SECRET.encode())
    with pytest.raises(TokenError, match=reason):
        await verify(text)


async def test_null_binds_to_nothing_and_is_refused() -> None:
    payload = claims() | {"origin_tenant_id": None}
    with pytest.raises(TokenError, match="`origin_tenant_id` must be a string"):
        await verify(forged({"alg": "HS256"}, payload, SECRET.encode()))


def _spoiled(text: str, part: int) -> str:
    """Return the token with one character of a part changed."""
    parts = text.split(".")
    first = parts[part][10]
    parts[part] = parts[part][:10] + ("A" if first != "A" else "B") + parts[part][11:]
    return ".".join(parts)


GOOD_RSA = token(rsa_key(), "RS256")
ATTACKS = {
    "alg none": (forged({"alg": "none"}, claims()), HS256),
    "alg None, spelled otherwise": (forged({"alg": "nOnE"}, claims()), RS256),
    "alg none, with a signature": (forged({"alg": "none"}, claims(), SECRET.encode()), HS256),
    "no alg": (forged({"typ": "JWT"}, claims(), SECRET.encode()), HS256),
    "alg is null": (forged({"alg": None}, claims(), SECRET.encode()), HS256),
    "alg is a list": (forged({"alg": ["HS256"]}, claims(), SECRET.encode()), HS256),
    "the public key as an HMAC secret": (
        forged({"alg": "HS256"}, claims(), PEM.encode()),
        RS256,
    ),
    "an HMAC that says RS256": (forged({"alg": "RS256"}, claims(), PEM.encode()), RS256),
    "RS256 where ES256 is configured": (GOOD_RSA, ES256),
    "RS256 where HS256 is configured": (GOOD_RSA, HS256),
    "HS512 where HS256 is configured": (token("s" * 64, "HS512"), HS256),
    "PS256 with the right key": (token(rsa_key(), "PS256"), RS256),
    "another's secret": (token("x" * 40), HS256),
    "an empty secret": (forged({"alg": "HS256"}, claims(), b""), HS256),
    "another's RSA key": (token(rsa_key("attacker"), "RS256"), RS256),
    "another's EC key": (token(ec_key("attacker"), "ES256"), ES256),
    "a key brought along as jwk": (
        token(
            rsa_key("attacker"),
            "RS256",
            headers={"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        ),
        RS256,
    ),
    "a key set to be fetched": (
        token(rsa_key("attacker"), "RS256", headers={"jku": "http://169.254.169.254/"}),
        RS256,
    ),
    "a certificate to be fetched": (
        token(rsa_key("attacker"), "RS256", headers={"x5u": "http://127.0.0.1:9/"}),
        RS256,
    ),
    "an extension that must be understood": (
        forged({"alg": "HS256", "crit": ["b65"]}, claims(), SECRET.encode()),
        HS256,
    ),
    "a detached payload": (
        forged({"alg": "HS256", "crit": ["b64"], "b64": False}, claims(), SECRET.encode()),
        HS256,
    ),
    "a key id that is no text": (
        forged({"alg": "HS256", "kid": {"$ne": 1}}, claims(), SECRET.encode()),
        HS256,
    ),
    "a changed payload": (_spoiled(GOOD_RSA, 1), RS256),
    "a changed signature": (_spoiled(GOOD_RSA, 2), RS256),
    "no signature": (GOOD_RSA.rsplit(".", 1)[0] + ".", RS256),
    "an ECDSA signature of zeros": (
        token(ec_key(), "ES256").rsplit(".", 1)[0] + "." + "A" * 86,
        ES256,
    ),
    "a payload that is a list": (forged({"alg": "HS256"}, [claims()], SECRET.encode()), HS256),
    "a header that is a list": (forged([], claims(), SECRET.encode()), HS256),  # type: ignore[arg-type]
    "nesting without end": ("W1tb" * 1500 + "." + "e30" + ".AAAA", HS256),
    "an endless number": ("eyJhbGciOjE" + "xMTEx" * 1200 + "fQ.e30.AAAA", HS256),
    "not base64": ("eyJ!.eyJ!.eyJ!", HS256),
    "nothing between the dots": ("..", HS256),
    "an encrypted token's five parts": ("eyJhbGciOiJkaXIifQ.a.b.c.d", HS256),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_forged_token_is_refused(name: str) -> None:
    text, algorithm = ATTACKS[name]
    with pytest.raises(TokenError) as refused:
        await verify(text, settings(algorithm))
    assert "expired" not in str(refused.value)


async def test_refusal_does_not_quote_the_token() -> None:
    text = token("x" * 40)
    with pytest.raises(TokenError) as caught:
        await verify(text)
    assert text.split(".")[2] not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "scopes"),
    [
        ({"scope": "openid compute"}, {"compute"}),
        ({"scope": None, "scopes": ["admin", "compute", "email"]}, {"admin", "compute"}),
        ({"scope": "", "scopes": ["admin"]}, set()),
        ({"scope": None}, set()),
        ({"scope": "ADMIN computeadmin"}, set()),
    ],
)
async def test_scopes_are_the_known_words_of_the_first_claim(
    fields: dict[str, Any], scopes: set[str]
) -> None:
    assert (await verify(token(**fields))).scopes == scopes


async def test_claims_have_the_names_that_the_settings_give() -> None:
    chosen = settings(
        jwt_scope_claims=("scp",), jwt_instance_claim="https://x/site", jwt_tenant_claim="org"
    )
    fields = {"scp": ["admin"], "https://x/site": "north", "org": "t1"}
    principal = await verify(token(**fields), chosen)
    assert (principal.scope, principal.scopes) == (Scope("north", "t1"), {"admin"})


async def test_token_without_an_instance_is_an_administrators_or_explicitly_allowed() -> None:
    unbound = {"origin_instance": None, "origin_tenant_id": None}
    with pytest.raises(TokenError, match="origin_instance"):
        await verify(token(**unbound))
    assert (await verify(token(**unbound, scope="admin"))).scope == Scope()
    lenient = settings(jwt_requires_instance=False)
    assert (await verify(token(**unbound), lenient)).scope == Scope()
    with pytest.raises(TokenError, match="origin_instance"):
        await verify(token(origin_instance=None, scope="admin"), lenient)


def test_tokens_made_by_hand_are_like_the_librarys() -> None:
    text = forged({"alg": "HS256"}, claims(), SECRET.encode())
    decoded = jwt.decode(text, SECRET, algorithms=["HS256"], audience=AUDIENCE)
    assert decoded == json.loads(json.dumps(claims())) | {
        "exp": decoded["exp"],
        "iat": decoded["iat"],
    }
