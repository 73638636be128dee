"""REFINE: upscales a picture and restores its detail."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from shared.contracts.attempts import PictureResults
from shared.contracts.capabilities import Need
from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.enums import ProviderType, TaskQueue
from shared.contracts.fields import Fraction, ImageSource, OptionalPrompt, Pixels, Seed, Steps
from shared.contracts.inference import RefinerActivities
from shared.contracts.refinement import RefineImage
from shared.contracts.task_types.row import InputFields, OwnActivity, PictureField, TaskTypeRow
from shared.contracts.task_types.rules import Rule, size_is_whole

_FIXED_UPSCALES = {
    2.0: Cap.UPSCALE_2X,
    4.0: Cap.UPSCALE_4X,
    8.0: Cap.UPSCALE_8X,
    16.0: Cap.UPSCALE_16X,
}


def _size_is_known(
    factor: float | None, width: int | None, height: int | None, is_upscaled: object
) -> str | None:
    if not is_upscaled or factor is not None or (width is not None and height is not None):
        return None
    return "give upscale_factor, or target_width and target_height, or set upscale_enabled to false"


class RefineFields(InputFields):
    """Inputs of a REFINE."""

    rules = (
        size_is_whole("target_width", "target_height"),
        Rule(
            ("upscale_factor", "target_width", "target_height", "upscale_enabled"), _size_is_known
        ),
    )

    base_image_url: ImageSource = Field(description="Base image URL")
    upscale_enabled: bool = Field(default=True, description="Whether to upscale the image")
    upscale_factor: float | None = Field(
        default=None,
        ge=1,
        le=16,
        description="Upscale factor (float value). Integer values 2, 4, 8 use specific "
        "UPSCALE_*X capabilities. Non-integer values require UPSCALE_FLOAT capability. If not "
        "provided, OUTPUT_SIZE capability is required",
    )
    target_width: Pixels | None = Field(default=None, description="Target output width in pixels")
    target_height: Pixels | None = Field(default=None, description="Target output height in pixels")
    upscale_prompt: OptionalPrompt | None = Field(default=None, description="Task prompt")
    upscale_denoise: Fraction = Field(default=0.35, description="Denoise strength")
    upscale_steps: Steps = Field(default=20, description="Number of inference steps")
    upscale_seed: Seed | None = Field(default=None, description="Seed for the upscale")
    face_detail_enabled: bool = Field(
        default=False, description="Whether to enhance face details in the image"
    )
    face_detail_prompt: OptionalPrompt | None = Field(
        default=None, description="Face detail prompt"
    )
    face_detail_denoise: Fraction = Field(default=0.35, description="Denoise strength")
    face_detail_steps: Steps = Field(default=20, description="Number of inference steps")
    face_detail_seed: Seed | None = Field(
        default=None, description="Seed for the face detail enhancement"
    )
    fal_app_id: str | None = Field(default=None, description="FAL app ID for task execution")


def _needs(fields: Mapping[str, Any]) -> list[Need]:
    needs: list[Need] = []
    if fields.get("face_detail_enabled"):
        needs.append(Need("face_detail_enabled", frozenset({Cap.FACE_DETAIL})))
    if not fields.get("upscale_enabled", True):
        return needs
    factor = fields.get("upscale_factor")
    if isinstance(factor, int | float):
        fixed = _FIXED_UPSCALES.get(float(factor))
        any_of = {Cap.UPSCALE_FLOAT, fixed} if fixed else {Cap.UPSCALE_FLOAT}
        needs.append(Need("upscale_factor", frozenset(any_of)))
    elif factor is None and fields.get("target_width"):
        needs.append(Need("target_width", frozenset({Cap.OUTPUT_SIZE})))
    return needs


ROW = TaskTypeRow(
    inputs=RefineFields,
    results=PictureResults,
    folder="refines",
    start_to_close=timedelta(minutes=30),
    default_provider=ProviderType.SARTIQ_ULTIMATE_REFINER,
    pictures=(PictureField("base_image_url", "base_image_path"),),
    activity=OwnActivity(RefinerActivities.refine_image, RefineImage, config_as="refiner"),
    local_queue=TaskQueue.INFERENCE,
    is_tiled=True,
    seeds=("upscale_seed", "face_detail_seed"),
    needs=_needs,
)
