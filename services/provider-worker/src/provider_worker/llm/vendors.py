"""The vendors' clients below pydantic-ai: one request each, without retries, through the gate."""

from collections.abc import Callable
from dataclasses import dataclass

import anthropic
import httpx
import httpx2
import openai
from google.genai import Client as GeminiClient
from google.genai.types import HttpOptions, HttpRetryOptions
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles import merge_profile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider

from provider_worker.llm.settings import (
    AnthropicSettings,
    ChatSettings,
    GeminiSettings,
    OllamaSettings,
    OpenAiSettings,
)
from provider_worker.wire.once import Gate, Gate2

_NO_KEY = "none"
"""The OpenAI client insists on a key, which a local Ollama does not read."""
_VERSION_PATH = "v1"


@dataclass(frozen=True)
class Client:
    """A vendor's client.

    Attributes:
        model: returns a model by its name.
        transport: the HTTP client, for closing.
    """

    model: Callable[[str], Model]
    transport: httpx.AsyncClient | httpx2.AsyncClient


def openai_client(settings: OpenAiSettings) -> Client:
    """Build OpenAI's client: for its Responses API, or for Chat Completions."""
    transport = _http2(settings)
    provider = OpenAIProvider(openai_client=_openai(settings, transport))
    family = OpenAIResponsesModel if settings.api == "responses" else OpenAIChatModel
    return Client(lambda name: family(name, provider=provider), transport)


def ollama_client(settings: OllamaSettings) -> Client:
    """Build Ollama's client, which is OpenAI's: Ollama has the path of Chat Completions, too."""
    transport = _http2(settings)
    provider = OllamaProvider(openai_client=_openai(settings, transport))

    def model(name: str) -> Model:
        found = OllamaModel(name, provider=provider)
        # Ollama knows `max_tokens` alone.
        known = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
        profile = merge_profile(found.profile, known)
        return OllamaModel(name, provider=provider, profile=profile)

    return Client(model, transport)


def anthropic_client(settings: AnthropicSettings) -> Client:
    """Build Anthropic's client."""
    transport = _http2(settings, request_id_header="request-id")
    client = anthropic.AsyncAnthropic(
        api_key=settings.key.get_secret_value(),
        base_url=settings.origin,
        max_retries=0,
        timeout=settings.timeout_s,
        http_client=transport,
    )
    provider = AnthropicProvider(anthropic_client=client)
    return Client(lambda name: AnthropicModel(name, provider=provider), transport)


def gemini_client(settings: GeminiSettings) -> Client:
    """Build Gemini's client."""
    transport = httpx.AsyncClient(transport=Gate(), trust_env=False, timeout=settings.timeout_s)
    options = HttpOptions(
        base_url=settings.origin,
        httpx_async_client=transport,
        retry_options=HttpRetryOptions(attempts=1),
        timeout=round(settings.timeout_s * 1000),
    )
    client = GeminiClient(
        vertexai=False, api_key=settings.key.get_secret_value(), http_options=options
    )
    provider = GoogleProvider(client=client)
    return Client(lambda name: GoogleModel(name, provider=provider), transport)


def _openai(settings: ChatSettings, transport: httpx2.AsyncClient) -> openai.AsyncOpenAI:
    origin = settings.origin
    has_path = bool(httpx.URL(origin).path.strip("/"))
    return openai.AsyncOpenAI(
        api_key=settings.key.get_secret_value() or _NO_KEY,
        base_url=origin if has_path else f"{origin}/{_VERSION_PATH}",
        max_retries=0,
        timeout=settings.timeout_s,
        http_client=transport,
    )


def _http2(
    settings: ChatSettings, *, request_id_header: str = "x-request-id"
) -> httpx2.AsyncClient:
    gate = Gate2(request_id_header)
    return httpx2.AsyncClient(transport=gate, trust_env=False, timeout=settings.timeout_s)
