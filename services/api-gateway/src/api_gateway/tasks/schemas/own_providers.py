"""Configurations of our own providers."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from shared.contracts.enums import ProviderType
from shared.contracts.fields import OptionalPrompt
from shared.contracts.fixing import FaceFixerConfig, GarmentFixerConfig
from shared.contracts.refinement import TiledRefinerConfig
from shared.contracts.request_model import RequestModel


class ProviderConfigBase(RequestModel):
    """Base class of the configurations of all providers."""

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
        """Leave out a model that was not named: the record names the one that was used."""
        fields: dict[str, Any] = write(self)
        return {
            name: value
            for name, value in fields.items()
            if name != "rembg_model" or name in self.model_fields_set
        }


_CHECKED_EDIT = {
    "max_retries": "Max retries per tile for failed consistency checks.",
    "ssim_threshold": "SSIM threshold for structural consistency. 0 to disable.",
    "lpips_threshold": "LPIPS similarity threshold. 0 to disable (saves ~2GB RAM).",
    "dists_threshold": "DISTS similarity threshold. 0 to disable (saves ~2GB RAM).",
}
_FIXER = _CHECKED_EDIT | {
    "feather_px": "Feather width in pixels for blending. 0 to disable.",
    "save_debug_images": "Save intermediate images for debugging.",
}


def _described(words: Mapping[str, str]) -> ConfigDict:
    """Return a model configuration with descriptions for fields of the worker's message."""

    def describe(schema: dict[str, Any]) -> None:
        for field, description in words.items():
            schema["properties"][field]["description"] = description

    return ConfigDict(json_schema_extra=describe)


class SartiqUltimateFaceFixerConfig(FaceFixerConfig, ProviderConfigBase):
    """Our face fixer: the fields of the worker's message, under the provider's name."""

    model_config = _described(
        _FIXER
        | {
            "expand_percent": "Face bbox expansion percentage (0.5 = 50%)",
            "face_prompt": "Custom face detection prompt (uses default if not provided)",
        }
    )

    provider_type: Literal[ProviderType.SARTIQ_ULTIMATE_FACE_FIXER] = (
        ProviderType.SARTIQ_ULTIMATE_FACE_FIXER
    )
    face_prompt: OptionalPrompt | None = None


class SartiqUltimateGarmentFixerConfig(GarmentFixerConfig, ProviderConfigBase):
    """Our garment fixer: the fields of the worker's message, under the provider's name."""

    model_config = _described(
        _FIXER
        | {
            "bbox_expand_percent": "How much to expand garment bounding box (0.05 = 5% larger).",
            "split_threshold": "Aspect ratio threshold for splitting elongated bboxes into 2 "
            "tiles.",
        }
    )

    provider_type: Literal[ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER] = (
        ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER
    )


class SartiqUltimateRefinerConfig(TiledRefinerConfig, ProviderConfigBase):
    """Our tiled refiner: the fields of the worker's message, under the provider's name."""

    model_config = _described(
        _CHECKED_EDIT
        | {
            "num_tiles": "Target number of tiles. Grid layout matches image aspect ratio.",
            "feather_px": "Feather width in pixels for tile blending. 0 to disable.",
            "max_workers": "Max concurrent tiles. None for unlimited.",
            "version": "Pipeline version. '1' = face detection + Lab color correction + adaptive "
            "resolution. '2' = simplified with histogram color correction + always 4K + no face "
            "processing.",
            "face_expand_percent": "How much to expand face bounding box (0.5 = 50% larger). V1 "
            "only, ignored in V2.",
            "save_debug_tiles": "Save intermediate tiles for debugging.",
        }
    )

    provider_type: Literal[ProviderType.SARTIQ_ULTIMATE_REFINER] = (
        ProviderType.SARTIQ_ULTIMATE_REFINER
    )
