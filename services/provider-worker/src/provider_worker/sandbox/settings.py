"""Settings of the sandbox."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

KEY = "sandbox-key:0123456789abcdef"
"""The key that is accepted where no other is configured. It opens nothing else."""


class SandboxSettings(BaseSettings):
    """Address, keys, ledger and prices."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_SANDBOX_", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8700, ge=0, le=65535)
    ledger: Path | None = None
    """File of accepted work, so that it survives a restart; none: in memory only."""
    keys: list[str] = Field(default=[KEY], min_length=1)
    """Accepted API keys, of every provider."""
    work_s: float = Field(default=0, ge=0)
    """Duration of all work; 0: work completes at its second status request."""
    prices: dict[str, float] = {
        "fal": 0.025,
        "fal/fal-ai/kling-video": 0.084,
        "fashn": 0.075,
        "gemini": 0.00012,
        "magnific": 0.1,
        "openai": 0.00001,
        "anthropic": 0.00001,
    }
    """Price of one unit, by provider and app; the longest name that begins the app's applies."""
    fashn_credits: int = 100_000
    """Credits of a FASHN account before anything is charged."""
    ollama_models: list[str] = ["llava:latest", "qwen3-vl:latest", "gpt-oss:120b-cloud"]
    """Models that Ollama has; others are not found."""
    magnific_is_flat: bool = False
    """Respond as the older API does: without `data`, with `task_status`."""

    def price_of(self, name: str) -> float:
        """Return the price of one unit of `provider/app`."""
        found = [known for known in self.prices if f"{name}/".startswith(f"{known}/")]
        return self.prices[max(found, key=len)] if found else 0
