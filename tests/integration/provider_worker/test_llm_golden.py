"""The requests to language models, as committed: from the vendors' own clients."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from provider_worker.calls import CallLog
from provider_worker.llm.chat import Chat, OutputSchema
from shared.contracts.enums import AiProvider, ProviderType
from shared.errors import PlatformError
from tests.fixtures.llm_activities import chats
from tests.fixtures.raw_server import Server, listening, reply

_GOLDEN = Path(__file__).parents[2] / "golden/providers/llm"
_PICTURE = (b"a picture", "image/jpeg")
_ENCODED = "YSBwaWN0dXJl"
_KEY = re.compile(r"sandbox-key:\w+")
_LENGTH = re.compile(r"content-length: (\d+)", re.IGNORECASE)
_NOTED = ("authorization", "x-api-key", "x-goog-api-key", "anthropic-version")
_ASKED: dict[str, Any] = {
    "prompt": "what framing?",
    "instructions": "You judge fashion photographs.",
    "pictures": [_PICTURE],
    "max_tokens": 600,
    "temperature": 0.5,
}
_FINDINGS = OutputSchema(
    {
        "type": "object",
        "properties": {
            "framing": {"type": "string", "enum": ["full_body", "detail"]},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["framing", "confidence"],
        "additionalProperties": False,
    },
    "Findings",
    "What is seen.",
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


async def _request(server: Server, vendor: AiProvider, path: str, chat: Chat, **more: Any) -> Any:
    """Return the request of a chat, with its key and its picture replaced."""
    bodies: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = _LENGTH.findall(server.requests[-1])
        bodies.append(await reader.readexactly(int(length)))
        writer.write(reply(b"{}", "400 Bad Request"))
        await writer.drain()

    server.answers[path] = answer
    async with chats(server.url(""), vendor, **more) as built:
        with suppress(PlatformError):
            await built.send(vendor, chat, CallLog(ProviderType.AI_CORE, 1))
    (head,) = server.requests
    line, *lines = head.split("\r\n")
    headers = dict(each.split(": ", 1) for each in lines if each)
    named = {name.lower(): _KEY.sub("(key)", value) for name, value in headers.items()}
    method, path, _ = line.split()
    return {
        "method": method,
        "path": path,
        "headers": {name: named[name] for name in _NOTED if name in named},
        "body": json.loads(bodies[0].replace(_ENCODED.encode(), b"(picture)")),
    }


@pytest.mark.parametrize("kind", ["text", "schema"])
@pytest.mark.parametrize(
    ("name", "vendor", "model", "path", "more"),
    [
        ("openai-responses", "openai", "gpt-4.1", "/v1/responses", {}),
        ("openai-chat", "openai", "gpt-4.1", "/v1/chat/completions", {"openai": {"api": "chat"}}),
        ("openai-reasoning", "openai", "o3", "/v1/responses", {}),
        ("anthropic", "anthropic", "claude-sonnet-4-6", "/v1/messages", {}),
        ("anthropic-cool", "anthropic", "claude-opus-4-8", "/v1/messages", {}),
        ("gemini", "gemini", "gemini-3.1-pro-preview",
         "/v1beta/models/gemini-3.1-pro-preview:generateContent", {}),
        ("ollama", "ollama", "llava", "/v1/chat/completions", {}),
        ("ollama-cloud", "ollama", "gpt-oss:120b-cloud", "/v1/chat/completions", {}),
    ],
)  # fmt: skip
async def test_a_chat_is_requested_as_committed(
    server: Server, name: str, vendor: str, model: str, path: str, more: dict[str, Any], kind: str
) -> None:
    chat = Chat(model=model, schema=_FINDINGS if kind == "schema" else None, **_ASKED)
    found = await _request(server, AiProvider(vendor), path, chat, **more)
    golden = _GOLDEN / f"{name}-{kind}.json"
    assert found == json.loads(golden.read_text())
