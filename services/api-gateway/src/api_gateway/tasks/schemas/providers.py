"""Configurations of the external providers, and the union of all by `provider_type`."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, model_validator
from typing_extensions import TypeAliasType

from api_gateway.request_fields import JsonObject
from api_gateway.tasks.schemas.own_providers import (
    LocalProviderConfig,
    ProviderConfigBase,
    SartiqUltimateFaceFixerConfig,
    SartiqUltimateGarmentFixerConfig,
    SartiqUltimateRefinerConfig,
)
from shared.contracts.enums import ProviderType
from shared.contracts.fields import Fraction, OptionalPrompt, Text
from shared.contracts.gemini_images import image_sizes

_RequestId = Annotated[str | None, AfterValidator(lambda _given: None)]
"""Id of work at the provider. One that a client gives is left out: it could be of another tenant's
work."""


class FalStandardConfig(ProviderConfigBase):
    """Any app on fal."""

    provider_type: Literal[ProviderType.FAL_STANDARD] = ProviderType.FAL_STANDARD
    fal_app_id: Text = Field(description="FAL application ID")
    fal_request_id: _RequestId = Field(default=None, description="FAL request ID for tracking")
    additional_static_params: JsonObject | None = Field(
        default=None, description="Additional static parameters to pass directly to FAL API"
    )


class FalShootifyRefinerConfig(ProviderConfigBase):
    """The Shootify refiner on fal."""

    provider_type: Literal[ProviderType.FAL_SHOOTIFY_REFINER] = ProviderType.FAL_SHOOTIFY_REFINER
    fal_app_id: Text = Field(description="FAL application ID for refinement")
    fal_request_id: _RequestId = Field(default=None, description="FAL request ID for tracking")


class FalGarmentFixerConfig(ProviderConfigBase):
    """The garment fixer on fal."""

    provider_type: Literal[ProviderType.FAL_GARMENT_FIXER] = ProviderType.FAL_GARMENT_FIXER


class FashnStandardConfig(ProviderConfigBase):
    """Virtual try-on at FASHN."""

    provider_type: Literal[ProviderType.FASHN_STANDARD] = ProviderType.FASHN_STANDARD
    fashn_task_id: _RequestId = Field(
        default=None, description="FASHN task ID for polling and resumability"
    )
    max_image_height: int = Field(
        default=2000,
        ge=1,
        description="Maximum image height in pixels for preprocessing (FASHN recommends 2000px)",
    )
    max_wait_seconds: int | None = Field(
        default=None,
        ge=1,
        description="Maximum wait time in seconds (default: uses EDITING_TASK_TIMEOUT "
        "from settings)",
    )
    poll_interval: int = Field(
        default=2, ge=1, le=60, description="Polling interval in seconds (1-60)"
    )


MagnificLevel = Annotated[int, Field(ge=-10, le=10)]
PrecisionLevel = Annotated[int, Field(ge=0, le=100)]


class _FreepikConfig(ProviderConfigBase):
    # The alias is the provider's own name, in camelCase.
    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    default_prompt: OptionalPrompt | None = Field(
        default=None,
        alias="defaultPrompt",
        description="Default prompt to use if none provided",
    )


class FreepikMagnificConfig(_FreepikConfig):
    """Magnific's creative upscaler."""

    provider_type: Literal[ProviderType.FREEPIK_MAGNIFIC] = ProviderType.FREEPIK_MAGNIFIC
    creativity: MagnificLevel = Field(default=0, description="Creativity level (-10 to 10)")
    hdr: MagnificLevel = Field(default=0, description="HDR enhancement level (-10 to 10)")
    resemblance: MagnificLevel = Field(default=0, description="Resemblance to original (-10 to 10)")
    fractality: MagnificLevel = Field(default=0, description="Fractality level (-10 to 10)")
    engine: Literal["automatic", "magnific_illusio", "magnific_sharpy", "magnific_sparkle"] = Field(
        default="automatic", description="Processing engine to use"
    )
    optimized_for: Literal[
        "standard",
        "soft_portraits",
        "hard_portraits",
        "art_n_illustration",
        "videogame_assets",
        "nature_n_landscapes",
        "films_n_photography",
        "3d_renders",
        "science_fiction_n_horror",
    ] = Field(default="standard", description="Optimization target for the upscaling")


class FreepikMagnificPrecisionConfig(_FreepikConfig):
    """Magnific's precision upscaler."""

    provider_type: Literal[ProviderType.FREEPIK_MAGNIFIC_PRECISION] = (
        ProviderType.FREEPIK_MAGNIFIC_PRECISION
    )
    sharpen: PrecisionLevel = Field(default=7, description="Sharpening level (0 to 100)")
    smart_grain: PrecisionLevel = Field(default=7, description="Smart grain level (0 to 100)")
    ultra_detail: PrecisionLevel = Field(default=30, description="Ultra detail level (0 to 100)")


class VertexConfig(ProviderConfigBase):
    """Gemini models on Vertex."""

    provider_type: Literal[ProviderType.VERTEX] = ProviderType.VERTEX
    model: str | None = Field(
        default=None,
        description="Override model (e.g., gemini-3-pro-image-preview, gemini-3.1-pro-preview)",
    )
    aspect_ratio: (
        Literal["1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"] | None
    ) = Field(
        default=None,
        description="Aspect ratio for image output. If not set, calculated from task "
        "width/height. Valid: 1:1, 3:2, 2:3, 3:4, 4:3, 4:5, 5:4, 9:16, 16:9, 21:9",
    )
    image_size: Literal["1K", "2K", "4K"] = Field(
        default="2K", description="Output image size: '1K', '2K', or '4K'."
    )
    system_instructions: OptionalPrompt | None = Field(
        default=None,
        description="Custom system instruction. Defaults to fashion specialist prompt if not set.",
    )
    temperature: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="Sampling temperature (0.0-2.0). Higher = more creative.",
    )
    top_p: Fraction = Field(
        default=0.95, description="Top-p (nucleus) sampling threshold (0.0-1.0)."
    )

    @model_validator(mode="after")
    def _fit_the_default_size(self) -> Self:
        """Take the model's largest size where it lacks the default, and the client named none."""
        if self.model and "image_size" not in self.model_fields_set:
            sizes = image_sizes(self.model)
            self.image_size = self.image_size if self.image_size in sizes else "1K"
        return self


class AiCoreProviderConfig(ProviderConfigBase):
    """A language model at one of four vendors."""

    provider_type: Literal[ProviderType.AI_CORE] = ProviderType.AI_CORE
    ai_provider: Literal["openai", "anthropic", "gemini", "ollama"] = Field(
        description="AI provider to use: 'openai', 'anthropic', 'gemini', 'ollama'"
    )
    model: Text = Field(description="Model name (e.g., 'gpt-4', 'claude-3-opus-20240229')")
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)


class NanoBananaUpscalerConfig(ProviderConfigBase):
    """Upscaling by Gemini's image model."""

    provider_type: Literal[ProviderType.NANO_BANANA_UPSCALER] = ProviderType.NANO_BANANA_UPSCALER
    default_prompt: OptionalPrompt | None = Field(
        default=None,
        description="Custom prompt for upscaling. If not provided, uses the default upscale "
        "prompt.",
    )
    max_retries: int = Field(
        default=3,
        ge=0,
        le=10,
        description="Maximum API retries for failed consistency checks.",
    )
    ssim_threshold: Fraction = Field(
        default=0.6,
        description="SSIM threshold for structural consistency. Set to 0 to disable.",
    )


def _any_of(schema: dict[str, Any]) -> None:
    """Describe the union by `anyOf`: a config without `provider_type` may fit several schemas."""
    schema["anyOf"] = schema.pop("oneOf")


# A named alias, not a plain union: the contract has it as a schema of its own.
ProviderConfig = TypeAliasType(
    "ProviderConfig",
    Annotated[
        FalStandardConfig
        | FalShootifyRefinerConfig
        | FalGarmentFixerConfig
        | FashnStandardConfig
        | FreepikMagnificConfig
        | FreepikMagnificPrecisionConfig
        | VertexConfig
        | AiCoreProviderConfig
        | LocalProviderConfig
        | NanoBananaUpscalerConfig
        | SartiqUltimateRefinerConfig
        | SartiqUltimateFaceFixerConfig
        | SartiqUltimateGarmentFixerConfig,
        Discriminator("provider_type"),
        Field(json_schema_extra=_any_of),
    ],
)
