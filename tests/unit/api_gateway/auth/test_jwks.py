"""The issuer's key set, from a real server on loopback, with a fake clock."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from api_gateway.auth.claims import TokenError
from api_gateway.auth.jwks import JwksKeys
from api_gateway.auth.jwt_tokens import TokenVerifier
from api_gateway.auth.settings import AuthSettings, JwtAlgorithm
from api_gateway.errors import Problem
from tests.fixtures.tokens import ec_key, jwk, rsa_key, settings, token

FIRST, SECOND = rsa_key("first"), rsa_key("second")


@dataclass
class Issuer:
    """A server that publishes a key set and counts requests."""

    body: bytes = b""
    status: str = "200 OK"
    headers: str = ""
    asked: int = 0
    is_hanging: bool = False
    now: float = 1000.0
    url: str = ""
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, *entries: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": list(entries)}).encode()

    def clock(self) -> float:
        return self.now

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client may leave before its request or before the response is whole.
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            if self.is_hanging:
                await self.release.wait()
            head = f"HTTP/1.1 {self.status}\r\nConnection: close\r\n{self.headers}"
            writer.write(f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body)
            await writer.drain()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    issuer.publish(jwk(FIRST, "1"))
    async with server:
        yield issuer
        issuer.release.set()


@asynccontextmanager
async def verifier(
    issuer: Issuer, algorithm: JwtAlgorithm = JwtAlgorithm.RS256, **changes: Any
) -> AsyncIterator[TokenVerifier]:
    chosen: AuthSettings = settings(algorithm, jwt_jwks_url=issuer.url, **changes)
    keys = JwksKeys(chosen, algorithm, clock=issuer.clock)
    opened = TokenVerifier(chosen, algorithm, keys)
    yield opened
    await opened.close()


def signed(key: Any = FIRST, key_id: str | None = "1", algorithm: str = "RS256") -> str:
    return token(key, algorithm, headers={"kid": key_id} if key_id is not None else None)


async def test_keys_are_fetched_once_and_used_again(issuer: Issuer) -> None:
    async with verifier(issuer) as tokens:
        for _ in range(3):
            assert (await tokens.verify(signed())).scope.origin_tenant_id == "acme"
        assert issuer.asked == 1
        issuer.now += 601
        await tokens.verify(signed())
    assert issuer.asked == 2


async def test_settings_choose_the_key_set(issuer: Issuer) -> None:
    tokens = TokenVerifier.from_settings(settings(JwtAlgorithm.RS256, jwt_jwks_url=issuer.url))
    assert tokens is not None
    assert (await tokens.verify(signed())).scope.origin_tenant_id == "acme"
    await tokens.close()


async def test_elliptic_keys_work_as_well(issuer: Issuer) -> None:
    issuer.publish(jwk(FIRST, "1"), jwk(ec_key(), "e"))
    async with verifier(issuer, JwtAlgorithm.ES256) as tokens:
        claims = await tokens.verify(signed(ec_key(), "e", "ES256"))
    assert claims.scope.origin_tenant_id == "acme"


async def test_new_key_is_found_without_waiting_for_the_cache(issuer: Issuer) -> None:
    async with verifier(issuer) as tokens:
        await tokens.verify(signed())
        issuer.publish(jwk(FIRST, "1"), jwk(SECOND, "2"))
        issuer.now += 31
        await tokens.verify(signed(SECOND, "2"))
    assert issuer.asked == 2


async def test_unknown_key_ids_do_not_drive_fetches(issuer: Issuer) -> None:
    async with verifier(issuer) as tokens:
        for number in range(20):
            with pytest.raises(TokenError, match="no key"):
                await tokens.verify(signed(SECOND, f"unknown-{number}"))
        assert issuer.asked == 1
        issuer.now += 31
        for number in range(20):
            with pytest.raises(TokenError, match="no key"):
                await tokens.verify(signed(SECOND, f"unknown-{number}"))
    assert issuer.asked == 2


async def test_token_of_another_algorithm_drives_no_fetch(issuer: Issuer) -> None:
    async with verifier(issuer) as tokens:
        with pytest.raises(TokenError, match="RS256"):
            await tokens.verify(token())
    assert issuer.asked == 0


async def test_requests_together_share_one_fetch(issuer: Issuer) -> None:
    async with verifier(issuer) as tokens:
        await asyncio.gather(*(tokens.verify(signed()) for _ in range(20)))
    assert issuer.asked == 1


async def test_who_gives_up_waiting_takes_the_keys_from_nobody(issuer: Issuer) -> None:
    issuer.is_hanging = True
    async with verifier(issuer) as tokens:
        first = asyncio.create_task(tokens.verify(signed()))
        second = asyncio.create_task(tokens.verify(signed()))
        while not issuer.asked:
            await asyncio.sleep(0.01)
        first.cancel()
        issuer.release.set()
        assert (await second).scopes == {"compute"}
    assert issuer.asked == 1


async def test_removed_key_is_refused_once_the_set_is_fetched_again(issuer: Issuer) -> None:
    async with verifier(issuer) as tokens:
        await tokens.verify(signed())
        issuer.publish(jwk(SECOND, "2"))
        issuer.now += 601
        with pytest.raises(TokenError, match="no key"):
            await tokens.verify(signed())


async def test_known_keys_serve_while_the_issuer_is_away_but_not_for_ever(issuer: Issuer) -> None:
    async with verifier(issuer, jwks_stale_s=3600) as tokens:
        await tokens.verify(signed())
        issuer.status = "500 Internal Server Error"
        issuer.now += 3000
        await tokens.verify(signed())
        issuer.now += 1300
        with pytest.raises(Problem) as caught:
            await tokens.verify(signed())
        assert caught.value.status == 503
        issuer.status = "200 OK"
        issuer.now += 31
        await tokens.verify(signed())


def _redirect(issuer: Issuer) -> None:
    issuer.status, issuer.headers = "302 Found", f"Location: {issuer.url}\r\n"


def _hang(issuer: Issuer) -> None:
    issuer.is_hanging = True


def _say(body: bytes) -> Callable[[Issuer], None]:
    def spoil(issuer: Issuer) -> None:
        issuer.body = body

    return spoil


def _publish(*entries: dict[str, Any]) -> Callable[[Issuer], None]:
    return lambda issuer: issuer.publish(*entries)


def _pad(issuer: Issuer) -> None:
    issuer.body = b" " * 300_000 + issuer.body  # right, but for its size


OUTAGES: dict[str, Callable[[Issuer], None]] = {
    "not JSON": _say(b"<html>"),
    "not an object": _say(b"[]"),
    "no list": _say(b'{"keys": {}}'),
    "no keys": _publish(),
    "too large": _pad,
    "a redirect, which is not followed": _redirect,
    "no answer": _hang,
    "a weak key alone": _publish(jwk(rsa_key("weak", 1024), "1")),
    "a private key alone": _publish({"kty": "oct", "k": "AAAA", "kid": "1"}),
    "a key for encryption alone": _publish(jwk(FIRST, "1", use="enc")),
    "a key of another algorithm alone": _publish(jwk(FIRST, "1", alg="PS256")),
    "a key of another curve alone": _publish(jwk(ec_key("p384", ec.SECP384R1), "1")),
    "a broken key alone": _publish({"kty": "RSA", "n": "!", "e": "AQAB", "kid": "1"}),
}


@pytest.mark.parametrize("name", OUTAGES)
async def test_key_set_that_cannot_be_used_is_an_outage_not_a_refusal(
    issuer: Issuer, name: str
) -> None:
    OUTAGES[name](issuer)
    async with verifier(issuer, jwks_timeout_s=1 if name == "no answer" else 30) as tokens:
        with pytest.raises(Problem) as caught:
            await tokens.verify(signed())
    assert (caught.value.status, issuer.asked) == (503, 1)
    assert caught.value.headers is not None
    assert caught.value.headers["Retry-After"]


async def test_token_without_a_key_id_fits_the_only_key_alone(issuer: Issuer) -> None:
    async with verifier(issuer) as tokens:
        await tokens.verify(signed(key_id=None))
        issuer.publish(jwk(FIRST, "1"), jwk(SECOND, "2"))
        issuer.now += 601
        with pytest.raises(TokenError, match="no key"):
            await tokens.verify(signed(key_id=None))


async def test_key_id_of_one_key_does_not_admit_another(issuer: Issuer) -> None:
    issuer.publish(jwk(FIRST, "1"), jwk(SECOND, "2"))
    async with verifier(issuer) as tokens:
        with pytest.raises(TokenError, match="signature"):
            await tokens.verify(signed(SECOND, "1"))
