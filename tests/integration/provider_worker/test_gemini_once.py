"""Google's client sends one POST for a request, with its retries on and off, and by httpx alone."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.genai import types

from provider_worker.activities import RemoteProviders
from provider_worker.google import client as clients
from shared.contracts.enums import TaskType
from shared.errors import PlatformError, SubmissionUnknownError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.provider_adapters import gemini_work, vertex_activities
from tests.fixtures.raw_server import Answer, Server, listening, reply
from tests.fixtures.remote_work import failure_of, take

_PATH = "/v1beta/models/gemini-3-pro-image:generateContent"
_FIXTURES = Path(__file__).parents[2] / "fixtures"
_RETRIES = types.HttpRetryOptions(attempts=4, initial_delay=0.01, max_delay=0.01)


@pytest.fixture(scope="module")
async def listener() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


@pytest.fixture
def server(listener: Server) -> Server:
    listener.requests.clear()
    listener.answers.clear()
    return listener


class _Continuing(types.GenerateContentConfig):
    """A configuration as the SDK has it by default: it continues, and parses the response."""

    def __init__(self, **given: Any) -> None:
        switched = {"automatic_continuation": True, "should_return_http_response": False}
        super().__init__(**given | switched)


@pytest.fixture(params=["retries on", "retries off"])
async def activities(
    request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RemoteProviders]:
    with monkeypatch.context() as patch:
        if request.param == "retries on":
            patch.setattr(clients.types, "HttpRetryOptions", lambda **_: _RETRIES)
            patch.setattr(clients.types, "GenerateContentConfig", _Continuing)
        async with vertex_activities(
            server.url(""), MemoryObjectStore(), submit_timeout_s=0.5
        ) as built:
            yield built


async def _dropped(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client has left


@pytest.mark.parametrize(
    ("answer", "is_unknown"),
    [
        (_dropped, True),
        (_silent, True),
        (b"", True),
        (reply(b'{"candidates": [', length=1000, content_type="application/json"), True),
        (reply(b"<html>", "500 Error"), True),
        (reply(b"<html>", "503 Unavailable"), True),
        (reply(b'{"error": {"code": 503, "status": "UNAVAILABLE"}}', "503 Unavailable"), False),
        (reply(b"{}", "429 Too Many"), False),
        (reply(b"{}", "408 Timeout"), False),
    ],
    ids=["dropped", "silent", "closed", "half", "500", "503", "own 503", "429", "408"],
)
async def test_one_post_whatever_the_client_would_repeat(
    server: Server, activities: RemoteProviders, answer: bytes | Answer, *, is_unknown: bool
) -> None:
    server.answers[_PATH] = answer
    with pytest.raises(PlatformError) as caught:
        await take(activities, gemini_work(TaskType.GENERATION))
    assert isinstance(caught.value, SubmissionUnknownError) == is_unknown
    assert len(server.requests) == 1


async def test_one_post_although_the_response_invites_to_continue(
    server: Server, activities: RemoteProviders
) -> None:
    candidate = {"content": {"parts": [{"text": "The"}]}, "finishReason": "CONTINUATION"}
    body = json.dumps({"candidates": [candidate], "continuationToken": "dG9rZW4="}).encode()
    server.answers[_PATH] = reply(body, content_type="application/json")
    work = await take(activities, gemini_work(TaskType.GENERATION))
    assert "CONTINUATION" in str(await failure_of(activities, work))
    assert len(server.requests) == 1


async def test_the_request_is_sent_uncompressed_with_its_key_in_a_header(
    server: Server, activities: RemoteProviders
) -> None:
    server.answers[_PATH] = reply(b"{}", "400 Bad")
    with pytest.raises(PlatformError):
        await take(activities, gemini_work(TaskType.GENERATION))
    (sent,) = server.requests
    assert "accept-encoding: identity" in sent.lower()
    assert "x-goog-api-key: sandbox-key" in sent.lower()
    assert "key=" not in sent


async def test_aiohttp_is_not_used_where_it_is_importable(server: Server) -> None:
    server.answers[_PATH] = _dropped
    paths = [str(_FIXTURES / "aiohttp_stub"), os.environ.get("PYTHONPATH", "")]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(_FIXTURES / "aiohttp_probe.py"),
        server.url(""),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    found = json.loads(output)
    assert found["has_aiohttp"]
    assert found["prefers"]
    assert found["told"].startswith("SubmissionUnknownError")
    assert len(server.requests) == 1
