"""The configuration of the providers that we run ourselves."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from api_gateway.request_model import RequestModel
from api_gateway.tasks.schemas.fields import Fraction
from shared.contracts.enums import ProviderType
from shared.contracts.refinement import TiledRefinerConfig


class ProviderConfigBase(RequestModel):
    """What holds for the configuration of any provider."""

    model_config = ConfigDict(allow_inf_nan=False)


class LocalProviderConfig(ProviderConfigBase):
    """Our own workers."""

    provider_type: Literal[ProviderType.LOCAL] = ProviderType.LOCAL
    rembg_model: Literal[
        "u2net",
        "u2netp",
        "u2net_human_seg",
        "u2net_cloth_seg",
        "silueta",
        "isnet-general-use",
        "isnet-anime",
        "sam",
    ] = Field(
        default="u2net",
        description="Rembg model for background removal. Available models: u2net, u2netp, "
        "u2net_human_seg, u2net_cloth_seg, silueta, isnet-general-use, isnet-anime, sam",
    )

    @model_serializer(mode="wrap")
    def _keep_only_what_was_named(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A model that was not named may be another one: the record says which was used."""
        fields: dict[str, Any] = write(self)
        return {
            name: value
            for name, value in fields.items()
            if name != "rembg_model" or name in self.model_fields_set
        }


_SSIM = "SSIM threshold for structural consistency. 0 to disable."
_LPIPS = "LPIPS similarity threshold. 0 to disable (saves ~2GB RAM)."
_DISTS = "DISTS similarity threshold. 0 to disable (saves ~2GB RAM)."


class _FixerConfig(ProviderConfigBase):
    """What both fixers that edit one region have in common."""

    feather_px: int = Field(
        default=32, ge=0, le=512, description="Feather width in pixels for blending. 0 to disable."
    )
    max_retries: int = Field(
        default=3, ge=0, le=10, description="Max retries per tile for failed consistency checks."
    )
    ssim_threshold: Fraction = Field(default=0.6, description=_SSIM)
    lpips_threshold: Fraction = Field(default=0, description=_LPIPS)
    dists_threshold: Fraction = Field(default=0, description=_DISTS)
    save_debug_images: bool = Field(
        default=False, description="Save intermediate images for debugging."
    )


class SartiqUltimateFaceFixerConfig(_FixerConfig):
    """Our face fixer."""

    provider_type: Literal[ProviderType.SARTIQ_ULTIMATE_FACE_FIXER] = (
        ProviderType.SARTIQ_ULTIMATE_FACE_FIXER
    )
    expand_percent: float = Field(
        default=0.5, ge=0, le=5, description="Face bbox expansion percentage (0.5 = 50%)"
    )
    face_prompt: str | None = Field(
        default=None, description="Custom face detection prompt (uses default if not provided)"
    )


class SartiqUltimateGarmentFixerConfig(_FixerConfig):
    """Our garment fixer."""

    provider_type: Literal[ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER] = (
        ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER
    )
    bbox_expand_percent: float = Field(
        default=0.05,
        ge=0,
        le=5,
        description="How much to expand garment bounding box (0.05 = 5% larger).",
    )
    split_threshold: float = Field(
        default=1.8,
        ge=1,
        description="Aspect ratio threshold for splitting elongated bboxes into 2 tiles.",
    )


_REFINER_FIELDS = {
    "num_tiles": "Target number of tiles. Grid layout matches image aspect ratio.",
    "feather_px": "Feather width in pixels for tile blending. 0 to disable.",
    "max_retries": "Max retries per tile for failed consistency checks.",
    "max_workers": "Max concurrent tiles. None for unlimited.",
    "ssim_threshold": _SSIM,
    "lpips_threshold": _LPIPS,
    "dists_threshold": _DISTS,
    "version": "Pipeline version. '1' = face detection + Lab color correction + adaptive "
    "resolution. '2' = simplified with histogram color correction + always 4K + no face "
    "processing.",
    "save_debug_tiles": "Save intermediate tiles for debugging.",
}


def _describe_refiner(schema: dict[str, Any]) -> None:
    for field, words in _REFINER_FIELDS.items():
        schema["properties"][field]["description"] = words


class SartiqUltimateRefinerConfig(TiledRefinerConfig, ProviderConfigBase):
    """Our tiled refiner: the worker's own message, under the provider's name."""

    model_config = ConfigDict(json_schema_extra=_describe_refiner)

    provider_type: Literal[ProviderType.SARTIQ_ULTIMATE_REFINER] = (
        ProviderType.SARTIQ_ULTIMATE_REFINER
    )
    face_expand_percent: float = Field(
        default=0.5,
        ge=0,
        le=5,
        description="How much to expand face bounding box (0.5 = 50% larger). V1 only, ignored "
        "in V2.",
    )
