"""Google's own client above the gate: one POST a request, whatever the SDK would repeat.

Its retries and its automatic continuation are off, and it has a timeout and our HTTP client, so
that it never uses aiohttp, which it would prefer to httpx where it is installed.
"""

from dataclasses import dataclass
from typing import Any

import httpx
from google.genai import types
from google.genai.client import Client
from google.oauth2.credentials import Credentials

from provider_worker.google.tokens import Tokens
from provider_worker.settings import VertexSettings
from provider_worker.wire.once import Gate


@dataclass(frozen=True)
class GeminiRequest:
    """A request for content.

    Attributes:
        model: the model's id.
        prompt: the words.
        pictures: content and media type of each picture, in order.
        config: fields of the generation: temperature, image configuration and so on.
        timeout_s: limit of the request.
    """

    model: str
    prompt: str
    pictures: tuple[tuple[bytes, str], ...]
    config: dict[str, Any]
    timeout_s: float


class GeminiClient:
    """Requests by one of three accesses: the Gemini API, Vertex express, or a Vertex project.

    Args:
        settings: the access.
    """

    def __init__(self, settings: VertexSettings) -> None:
        self._key = settings.key.get_secret_value()
        self._tokens = Tokens(settings.credentials_file) if settings.project else None
        self._http = httpx.AsyncClient(transport=Gate(), trust_env=False)
        self._credentials = Credentials(token=None) if settings.project else None  # type: ignore[no-untyped-call]
        is_vertex = bool(settings.project) or settings.is_express
        self._client = Client(
            vertexai=is_vertex,
            api_key=None if settings.project else self._key,
            credentials=self._credentials,
            project=settings.project or None,
            location=settings.location if settings.project else None,
            http_options=types.HttpOptions(
                base_url=settings.origin,
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_async_client=self._http,
            ),
        )

    async def secret(self) -> str:
        """Return the secret of the next request: the key, or a valid token.

        Raises:
            PlatformError: there is no token.
        """
        if self._tokens is None or self._credentials is None:
            return self._key
        token = await self._tokens.token()
        self._credentials.token = token
        return token

    async def generate(self, request: GeminiRequest) -> None:
        """Send a request. The gate keeps its response, which the SDK need not parse."""
        parts = [types.Part(text=request.prompt)] + [
            types.Part.from_bytes(data=content, mime_type=kind)
            for content, kind in request.pictures
        ]
        config = types.GenerateContentConfig(
            **request.config,
            automatic_continuation=False,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            should_return_http_response=True,
            http_options=types.HttpOptions(timeout=round(1000 * request.timeout_s)),
        )
        contents = types.Content(role="user", parts=parts)
        await self._client.aio.models.generate_content(
            model=request.model, contents=contents, config=config
        )

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()
        if self._tokens:
            self._tokens.close()
