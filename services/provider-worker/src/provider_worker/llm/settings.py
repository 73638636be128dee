"""Settings of the vendors of language models. A vendor without credentials is not served."""

from typing import Literal

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from provider_worker.settings import ApiKey


class ChatSettings(BaseSettings):
    """Access to a vendor."""

    key: ApiKey = SecretStr("")
    """API key; if empty, the vendor is not served."""
    base_url: AnyHttpUrl | None = None
    """Origin of the API. The key is sent to this origin and to no other."""
    timeout_s: float = Field(default=90, gt=0, le=120)
    """Timeout of a request, which is sent once. After it, the outcome is unknown."""
    model: str = Field(min_length=1, max_length=200)
    """The model of the platform's own questions: the evaluation of pictures, captions."""

    @property
    def is_configured(self) -> bool:
        """True if the vendor can be reached."""
        return bool(self.key.get_secret_value())

    @property
    def origin(self) -> str:
        """The origin, without a slash at its end."""
        return str(self.base_url or "").rstrip("/")


class OpenAiSettings(ChatSettings):
    """Access to OpenAI, or to a server that speaks its API."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_OPENAI_", frozen=True)

    base_url: AnyHttpUrl | None = AnyHttpUrl("https://api.openai.com/v1")
    """Origin of the API; `/v1` is added if it has no path."""
    model: str = Field(default="gpt-4.1", min_length=1, max_length=200)
    api: Literal["responses", "chat"] = "responses"
    """The API: Responses, or Chat Completions, which other servers have."""


class AnthropicSettings(ChatSettings):
    """Access to Anthropic."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_ANTHROPIC_", frozen=True)

    base_url: AnyHttpUrl | None = AnyHttpUrl("https://api.anthropic.com")
    model: str = Field(default="claude-sonnet-4-6", min_length=1, max_length=200)


class GeminiSettings(ChatSettings):
    """Access to Gemini by an API key."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_GEMINI_", frozen=True)

    base_url: AnyHttpUrl | None = AnyHttpUrl("https://generativelanguage.googleapis.com")
    model: str = Field(default="gemini-3.1-pro-preview", min_length=1, max_length=200)


class OllamaSettings(ChatSettings):
    """Access to Ollama, which needs a base URL, and a key only behind a proxy or in its cloud."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_OLLAMA_", frozen=True)

    base_url: AnyHttpUrl | None = None
    """Origin of the server, such as `http://127.0.0.1:11434`; none: Ollama is not served."""
    model: str = Field(default="llava", min_length=1, max_length=200)

    @property
    def is_configured(self) -> bool:
        """True if there is a server."""
        return self.base_url is not None


class LlmSettings(BaseSettings):
    """The four vendors, and what holds for all of them."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_LLM_", frozen=True)

    max_tokens: int = Field(default=4096, ge=1, le=128_000)
    """Limit of a reply's tokens where the request sets none. It is never left to the vendor."""
    submits_per_s: float = Field(default=20, ge=0)
    """Requests per second of this process, on average. 0: unlimited."""
    submits_burst: int = Field(default=20, ge=1)
    """Requests that may follow each other at once after a pause."""
    openai: OpenAiSettings = Field(default_factory=OpenAiSettings)
    anthropic: AnthropicSettings = Field(default_factory=AnthropicSettings)
    gemini: GeminiSettings = Field(default_factory=GeminiSettings)
    ollama: OllamaSettings = Field(default_factory=OllamaSettings)

    @property
    def is_configured(self) -> bool:
        """True if a vendor can be reached."""
        vendors = (self.openai, self.anthropic, self.gemini, self.ollama)
        return any(vendor.is_configured for vendor in vendors)

    @property
    def longest_timeout_s(self) -> float:
        """The longest timeout of the vendors that are served, in seconds."""
        vendors = (self.openai, self.anthropic, self.gemini, self.ollama)
        return max((each.timeout_s for each in vendors if each.is_configured), default=0)


def vendor_variables() -> list[str]:
    """Return the environment variables of which a worker needs one to serve a vendor."""
    keyed = (OpenAiSettings, AnthropicSettings, GeminiSettings)
    keys = [f"{each.model_config.get('env_prefix', '')}KEY" for each in keyed]
    return [*keys, f"{OllamaSettings.model_config.get('env_prefix', '')}BASE_URL"]
