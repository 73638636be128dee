"""No credential appears in logs or responses of the gateway's process, whatever error occurs."""

import asyncio
import json
import os
import sys

import pytest

from api_gateway.auth.settings import AuthSettings
from shared.db.repositories.keys import generate_key, hash_key
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.tokens import AUDIENCE, ISSUER, SECRET, token

PROGRAM = """
import asyncio, json, os
from dataclasses import replace

import httpx
from pydantic import SecretStr

from api_gateway.app import create_app
from api_gateway.resources import open_resources
from api_gateway.settings import GatewaySettings
from shared.db.session import create_engine, create_sessions
from shared.settings import DatabaseSettings, LogSettings
from shared.telemetry.logs import set_up_logging

async def ask(resources, credentials):
    transport = httpx.ASGITransport(create_app(resources), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        for credential in credentials:
            headers = {"Authorization": f"Bearer {credential}"}
            for method, path in (("GET", "/api/v1/workflows/"), ("POST", "/api/v1/tasks/")):
                answer = await client.request(method, path, json={}, headers=headers)
                print(answer.status_code, answer.headers, answer.text)

async def main():
    credentials = json.loads(os.environ["CREDENTIALS"])
    dead = create_engine(
        DatabaseSettings(url=SecretStr("postgresql+asyncpg://a:dbword@127.0.0.1:9/sartiq"))
    )
    async with open_resources(GatewaySettings()) as resources:
        await ask(resources, credentials)
        await ask(replace(resources, sessions=create_sessions(dead)), credentials)
        await ask(replace(resources, sessions=None), credentials)
    await dead.dispose()

set_up_logging(LogSettings(), service="api-gateway")
asyncio.run(main())
"""


@pytest.mark.parametrize("is_json", ["true", pytest.param("false", marks=pytest.mark.long)])
async def test_no_credential_shows_in_logs_or_answers(gateway: Gateway, is_json: str) -> None:
    credentials = [TENANT_KEY, generate_key(), token(), token("x" * 40)]
    environment = {
        **os.environ,
        **gateway.stack.environment,
        "CREDENTIALS": json.dumps(credentials),
        "SARTIQ_LOG_LEVEL": "DEBUG",
        "SARTIQ_LOG_IS_JSON": is_json,
        "SARTIQ_GATEWAY_KEY_CACHE_S": "0",
        "SARTIQ_AUTH_JWT_ALGORITHM": "HS256",
        "SARTIQ_AUTH_JWT_SECRET": SECRET,
        "SARTIQ_AUTH_JWT_ISSUER": ISSUER,
        "SARTIQ_AUTH_JWT_AUDIENCE": AUDIENCE,
    }

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    answers, logs = (output.decode() for output in await process.communicate())

    assert process.returncode == 0, logs
    codes = {int(line.split()[0]) for line in answers.splitlines() if line[:1].isdigit()}
    assert codes == {200, 401, 422, 500, 503}
    assert "unexpected_error" in logs
    assert "dependency_down" in logs
    for secret in (*credentials, SECRET, "dbword"):
        assert secret not in answers + logs
        assert hash_key(secret) not in answers + logs


def test_settings_do_not_show_their_secret() -> None:
    chosen = AuthSettings.model_validate(
        {
            "jwt_algorithm": "HS256",
            "jwt_secret": SECRET,
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
        }
    )
    assert SECRET not in f"{chosen!r} {chosen} {chosen.model_dump()} {chosen.model_dump_json()}"
