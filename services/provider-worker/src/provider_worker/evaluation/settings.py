"""Settings of evaluations."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.enums import AiProvider


class EvaluationSettings(BaseSettings):
    """Vendors of evaluations. A vendor's model is in its own settings: `SARTIQ_GEMINI_MODEL`."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_EVALUATION_", frozen=True)

    order: tuple[AiProvider, ...] = (
        AiProvider.GEMINI,
        AiProvider.OPENAI,
        AiProvider.ANTHROPIC,
        AiProvider.OLLAMA,
    )
    """Order in which `auto` asks the vendors that have a key, as a JSON list: `["openai"]`."""
    timeout_s: float = Field(default=60, gt=0, le=70)
    """Limit of the request to one vendor; after it, the outcome is unknown."""
