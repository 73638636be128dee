"""Requests that a remote service cannot serve are refused by place, before anything is sent."""

import math
from typing import Any

import pytest

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.remote_limits.checks import (
    known_config_keys,
    remote_config_keys,
    remote_faults,
)
from shared.contracts.remote_limits.request import RemoteRequest

FAL, FASHN = "fal_standard", "fashn_standard"
VERTEX = "vertex"
CREATIVE, PRECISE = "freepik_magnific", "freepik_magnific_precision"
KLING = {"fal_app_id": "fal-ai/kling-video/v3/standard/text-to-video"}
VEO = {"fal_app_id": "fal-ai/veo3.1"}
ONE = {"reference_images": ["a"]}


def _faults(
    provider: str, task_type: str, options: dict[str, Any], fields: dict[str, Any]
) -> dict[str, str]:
    request = RemoteRequest(TaskType(task_type), options, fields)
    found = remote_faults(ProviderType(provider), request)
    return {".".join(fault.place): fault.message for fault in found}


REFUSED: list[tuple[str, str, dict[str, Any], dict[str, Any], str, str]] = [
    (FAL, "GENERATION", {}, {"config": {"num_images": 5}}, "config.num_images", "from 1 to 4"),
    (FAL, "GENERATION", {}, {"config": {"num_inference_steps": 51}},
     "config.num_inference_steps", "from 1 to 50"),
    (FAL, "GENERATION", {"fal_app_id": "x"}, {}, "provider_config.fal_app_id", "owner/app"),
    (FAL, "GENERATION", {}, {"fal_app_id": "a/" * 200}, "fal_app_id", "owner/app"),
    (FAL, "EXPERIMENTAL_FAL", {}, {"fal_app_id": "x y"}, "fal_app_id", "owner/app"),
    (FAL, "GENERATION", {"additional_static_params": {"a": "x" * 65_536}}, {},
     "provider_config.additional_static_params", "65536 bytes"),
    (FAL, "GENERATION", {"additional_static_params": {"a": [math.nan]}}, {},
     "provider_config.additional_static_params", "nan is not a number"),
    (FAL, "GENERATION", {"fal_app_id": "acme/own"}, {"config": {"num_images": 9}},
     "config.num_images", "from 1 to 8"),
    (FAL, "EDITING", {}, {"config": {"safety_tolerance": 2}}, "config.safety_tolerance",
     "must be one of 1, 2"),
    (FAL, "EDITING", {"fal_app_id": "fal-ai/flux-2-pro/edit"}, {"config": {"num_images": 2}},
     "config.num_images", "from 1 to 1"),
    (FAL, "EDITING", {"fal_app_id": "fal-ai/flux-2/edit"}, {"reference_images": ["a"] * 4},
     "reference_images", "at most 3"),
    (FAL, "EDITING", {"fal_app_id": "fal-ai/nano-banana-pro/edit"},
     {"config": {"resolution": "8K"}}, "config.resolution", "1K, 2K, 4K"),
    (FAL, "REFINE", {}, {"upscale_factor": 4.5}, "upscale_factor", "from 1 to 4"),
    (FAL, "REFINE", {"fal_app_id": "fal-ai/aura-sr"}, {"upscale_factor": 2.0},
     "upscale_factor", "must be one of 4"),
    (FAL, "REFINE", {}, {"upscale_factor": 2, "upscale_steps": 51}, "upscale_steps", "to 50"),
    (FAL, "REFINE", {"fal_app_id": "fal-ai/esrgan"}, {"upscale_prompt": "silk"},
     "upscale_prompt", "no such field"),
    (FAL, "REFINE", {"fal_app_id": "fal-ai/esrgan"}, {"upscale_seed": 0}, "upscale_seed",
     "no such field"),
    (FAL, "REFINE", {"fal_app_id": "fal-ai/esrgan"}, {"upscale_denoise": 0.5},
     "upscale_denoise", "no such field"),
    (FAL, "REFINE", {}, {"config": {"resemblance": "much"}}, "config.resemblance", "a number"),
    (FAL, "VIDEO_GENERATION", VEO, {"duration_seconds": 5}, "duration_seconds", "4, 6, 8"),
    (FAL, "VIDEO_GENERATION", KLING, {"duration_seconds": 16}, "duration_seconds", "3, 4"),
    (FAL, "VIDEO_GENERATION", KLING, {"cfg_scale": 1.5}, "cfg_scale", "from 0 to 1"),
    (FAL, "VIDEO_GENERATION", VEO, {"cfg_scale": 0.6}, "cfg_scale", "no such field"),
    (FAL, "VIDEO_GENERATION", KLING, {"config": {"aspect_ratio": "4:5"}},
     "config.aspect_ratio", "16:9, 9:16, 1:1"),
    (FAL, "VIDEO_GENERATION", KLING, {"config": {"generate_audio": 1}},
     "config.generate_audio", "true or false"),
    (FAL, "VIDEO_GENERATION", {"fal_app_id": "fal-ai/luma-dream-machine/ray-2"},
     {"config": {"generate_audio": True}}, "config.generate_audio", "makes no sound"),
    (FAL, "VIDEO_GENERATION", {}, {"config": {"fal_app_id": "kling"}}, "config.fal_app_id",
     "owner/app"),
    (FAL, "EDITING", {}, {"config": {"fal_app_id": 5}}, "config.fal_app_id", "must be a text"),
    (FAL, "VIDEO_GENERATION", {"fal_app_id": "fal-ai/flux/dev"}, {}, "provider_config.fal_app_id",
     "is fal-ai/flux/dev, which serves GENERATION and not VIDEO_GENERATION"),
    (FAL, "VIDEO_GENERATION", {}, {"config": {"fal_app_id": "FAL-AI/flux/dev"}},
     "config.fal_app_id", "serves GENERATION"),
    (FAL, "GENERATION", {}, {"fal_app_id": "fal-ai/clarity-upscaler"}, "fal_app_id",
     "serves REFINE and not GENERATION"),
    (FAL, "REFINE", KLING, {"upscale_factor": 99}, "provider_config.fal_app_id",
     "serves VIDEO_GENERATION"),
    (FAL, "GENERATION", {"fal_app_id": "FAL-AI/flux/dev"}, {"config": {"num_images": 5}},
     "config.num_images", "from 1 to 4 for fal-ai/flux/dev"),
    (FAL, "EXPERIMENTAL_FAL", {}, {"fal_app_id": "fal-ai/flux/dev/requests/abc/cancel"},
     "fal_app_id", "owner/app"),
    ("fal_shootify_refiner", "REFINE", {"fal_app_id": "fal-ai/flux/dev"}, {},
     "provider_config.fal_app_id", "serves GENERATION and not REFINE"),
    ("fal_shootify_refiner", "REFINE", {"fal_app_id": "x"}, {}, "provider_config.fal_app_id",
     "owner/app"),
    (FASHN, "EDITING", {}, {}, "reference_images", "has 0 images"),
    (FASHN, "EDITING", {}, {"reference_images": ["a", "b"]}, "reference_images", "has 2 images"),
    (FASHN, "EDITING", {"max_image_height": 255}, ONE, "provider_config.max_image_height",
     "from 256 to 8000"),
    (FASHN, "EDITING", {}, ONE | {"config": {"model_name": "tryon-v2"}}, "config.model_name",
     "tryon-v1.6, tryon-max"),
    (FASHN, "EDITING", {}, ONE | {"config": {"category": "hats"}}, "config.category", "one-pieces"),
    (FASHN, "EDITING", {}, ONE | {"config": {"mode": "fast"}}, "config.mode", "performance"),
    (FASHN, "EDITING", {}, ONE | {"config": {"num_samples": 5}}, "config.num_samples", "1 to 4"),
    (FASHN, "EDITING", {}, ONE | {"config": {"segmentation_free": "no"}},
     "config.segmentation_free", "true or false"),
    (FASHN, "EDITING", {}, ONE | {"config": {"model_name": "tryon-max", "resolution": "8k"}},
     "config.resolution", "1k, 2k, 4k for tryon-max"),
    (CREATIVE, "REFINE", {}, {}, "upscale_factor", "needs it"),
    (CREATIVE, "REFINE", {}, {"upscale_factor": 3.0}, "upscale_factor", "2, 4, 8, 16"),
    (CREATIVE, "REFINE", {}, {"upscale_factor": 2, "upscale_enabled": False},
     "upscale_enabled", "always enlarges"),
    (PRECISE, "REFINE", {}, {"upscale_factor": 2.5}, "upscale_factor", "whole number from 2"),
    (PRECISE, "REFINE", {}, {"upscale_factor": 1}, "upscale_factor", "whole number from 2"),
    (VERTEX, "EDITING", {"model": "../gemini"}, {}, "provider_config.model", "letters, digits"),
    (VERTEX, "LLM_INTERACTION", {"model": ""}, {}, "provider_config.model", "letters, digits"),
    (VERTEX, "EDITING", {"model": "gemini-2.5-flash-image", "image_size": "2K"}, {},
     "provider_config.image_size", "one of 1K for gemini-2.5-flash-image"),
    (VERTEX, "GENERATION", {"model": "gemini-3.1-flash-lite-image", "image_size": "4K"}, {},
     "provider_config.image_size", "one of 1K"),
    (VERTEX, "EDITING", {}, {"config": {"num_images": 2}}, "config.num_images",
     "from 1 to 1 for gemini-3-pro-image"),
    (VERTEX, "LLM_INTERACTION", {}, {"config": {"output_schema": ["object"]}},
     "config.output_schema", "JSON schema"),
    (VERTEX, "LLM_INTERACTION", {}, {"config": {"output_schema": {"a": "x" * 33_000}}},
     "config.output_schema", "32768 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "task_type", "options", "fields", "place", "told"), REFUSED)
def test_what_a_service_cannot_do_is_told_with_what_it_can(
    provider: str,
    task_type: str,
    options: dict[str, Any],
    fields: dict[str, Any],
    place: str,
    told: str,
) -> None:
    found = _faults(provider, task_type, options, fields)
    assert found.keys() == {place}
    assert told in found[place]


@pytest.mark.parametrize(
    ("provider", "task_type", "options", "fields"),
    [
        (FAL, "GENERATION", {}, {"config": {"num_images": 4, "num_inference_steps": 50}}),
        (FAL, "GENERATION", {"additional_static_params": {"a": "x" * 60_000}}, {}),
        (FAL, "EDITING", {}, {"reference_images": ["a"] * 8, "config": {"strength": "free"}}),
        (FAL, "EDITING", {"fal_app_id": "acme/own"}, {"reference_images": ["a"] * 99}),
        (FAL, "EDITING", {}, {"config": {"num_inference_steps": 99}}),
        (FAL, "REFINE", {}, {"upscale_factor": 4, "upscale_steps": 50}),
        (FAL, "REFINE", {"fal_app_id": "fal-ai/aura-sr"}, {"upscale_factor": 4.0}),
        (FAL, "REFINE", {}, {"upscale_factor": 9, "upscale_enabled": False}),
        (FAL, "REFINE", {}, {"upscale_factor": "mapped", "upscale_steps": "mapped"}),
        (FAL, "VIDEO_GENERATION", VEO, {"duration_seconds": 8, "cfg_scale": 0.5}),
        (FAL, "VIDEO_GENERATION", KLING, {"duration_seconds": "mapped", "cfg_scale": "mapped"}),
        (FAL, "VIDEO_GENERATION", {"fal_app_id": "a/b"}, {"duration_seconds": 60, "cfg_scale": 2}),
        (FAL, "EXPERIMENTAL_FAL", {}, {"fal_app_id": "a/b", "fal_parameters": {"x": 1}}),
        (FAL, "EXPERIMENTAL_FAL", {}, {"fal_app_id": "fal-ai/clarity-upscaler"}),
        (FAL, "EXPERIMENTAL_FAL", {}, {"fal_app_id": "a/b", "config": {"fal_app_id": 5}}),
        (FAL, "VIDEO_GENERATION", KLING, {"config": {"fal_app_id": "fal-ai/flux/dev"}}),
        ("fal_garment_fixer", "DETAIL_ENHANCER", {}, {"base_image": "a"}),
        (FASHN, "EDITING", {"max_image_height": 8000}, ONE),
        (FASHN, "EDITING", {}, {"reference_images": "mapped"}),
        (FASHN, "EDITING", {}, ONE | {"config": {"model_name": "tryon-max", "category": "x"}}),
        (CREATIVE, "REFINE", {}, {"upscale_factor": 16.0}),
        (CREATIVE, "REFINE", {}, {"upscale_factor": "mapped"}),
        (PRECISE, "REFINE", {}, {"upscale_factor": 3.0}),
        (VERTEX, "EDITING", {}, {"config": {"num_images": 1, "seed": 5}}),
        (VERTEX, "EDITING", {"model": "gemini-2.5-flash-image", "image_size": "1K"}, {}),
        (VERTEX, "GENERATION", {"model": "gemini-3-pro-image", "image_size": "4K"}, {}),
        (VERTEX, "LLM_INTERACTION", {}, {"config": {"output_schema": {"type": "object"}}}),
        (VERTEX, "LLM_INTERACTION", {"image_size": "4K"}, {"config": {"output_schema": "mapped"}}),
        ("local", "EDITING", {}, {"config": {"num_images": 99}}),
    ],
)
def test_what_a_service_can_do_is_admitted(
    provider: str, task_type: str, options: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert _faults(provider, task_type, options, fields) == {}


@pytest.mark.parametrize(
    ("provider", "task_type", "options", "keys"),
    [
        (FAL, "GENERATION", {}, {"num_images", "num_inference_steps", "guidance_scale"}),
        (FAL, "EDITING", {}, {"num_images", "guidance_scale", "safety_tolerance"}),
        (FAL, "REFINE", {"fal_app_id": "fal-ai/esrgan"}, {"face"}),
        (FAL, "VIDEO_GENERATION", {"fal_app_id": "a/b"}, {"generate_audio", "aspect_ratio"}),
        (FAL, "EXPERIMENTAL_FAL", {}, None),
        (CREATIVE, "REFINE", {}, set()),
        (VERTEX, "EDITING", {}, {"num_images"}),
        (VERTEX, "LLM_INTERACTION", {}, {"output_schema"}),
        ("local", "EDITING", {}, None),
    ],
)
def test_keys_that_reach_a_service(
    provider: str, task_type: str, options: dict[str, Any], keys: set[str] | None
) -> None:
    request = RemoteRequest(TaskType(task_type), options, {})
    assert remote_config_keys(ProviderType(provider), request) == keys
    assert (keys or set()) <= known_config_keys(TaskType(task_type))


def test_keys_of_a_try_on_depend_on_its_model() -> None:
    request = RemoteRequest(TaskType.EDITING, {}, {"config": {"model_name": "tryon-max"}})
    found = remote_config_keys(ProviderType.FASHN_STANDARD, request) or frozenset()
    assert "resolution" in found
    assert "category" not in found
