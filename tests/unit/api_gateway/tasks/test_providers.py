"""Provider choices of requests, and the providers' configurations."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from api_gateway.tasks.schemas.generation import CreateGenerationTask
from api_gateway.tasks.schemas.providers import FreepikMagnificConfig, ProviderConfig
from api_gateway.tasks.schemas.refine import CreateRefineTask
from shared.contracts.enums import ProviderType
from shared.contracts.refinement import TiledRefinerConfig

CONFIG: TypeAdapter[Any] = TypeAdapter(ProviderConfig)
NEEDED: dict[ProviderType, dict[str, Any]] = {
    ProviderType.FAL_STANDARD: {"fal_app_id": "fal-ai/x"},
    ProviderType.FAL_SHOOTIFY_REFINER: {"fal_app_id": "fal-ai/x"},
    ProviderType.AI_CORE: {"ai_provider": "openai", "model": "gpt-4"},
}
# The domain's table of defaults.
DEFAULTS: dict[ProviderType, dict[str, Any]] = {
    ProviderType.SARTIQ_ULTIMATE_REFINER: {
        "num_tiles": 9,
        "feather_px": 32,
        "max_retries": 3,
        "max_workers": None,
        "ssim_threshold": 0.6,
        "lpips_threshold": 0,
        "dists_threshold": 0,
        "face_expand_percent": 0.5,
        "version": "2",
        "save_debug_tiles": False,
    },
    ProviderType.SARTIQ_ULTIMATE_FACE_FIXER: {
        "expand_percent": 0.5,
        "face_prompt": None,
        "feather_px": 32,
        "max_retries": 3,
        "ssim_threshold": 0.6,
        "lpips_threshold": 0,
        "dists_threshold": 0,
        "save_debug_images": False,
    },
    ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER: {
        "bbox_expand_percent": 0.05,
        "split_threshold": 1.8,
        "feather_px": 32,
        "max_retries": 3,
        "ssim_threshold": 0.6,
        "lpips_threshold": 0,
        "dists_threshold": 0,
        "save_debug_images": False,
    },
    ProviderType.NANO_BANANA_UPSCALER: {
        "default_prompt": None,
        "max_retries": 3,
        "ssim_threshold": 0.6,
    },
    ProviderType.VERTEX: {
        "model": None,
        "aspect_ratio": None,
        "image_size": "2K",
        "system_instructions": None,
        "temperature": 1.0,
        "top_p": 0.95,
    },
    ProviderType.AI_CORE: {"temperature": 0.7, "max_tokens": None},
    ProviderType.FASHN_STANDARD: {
        "fashn_task_id": None,
        "max_image_height": 2000,
        "max_wait_seconds": None,
        "poll_interval": 2,
    },
    ProviderType.FREEPIK_MAGNIFIC: {
        "defaultPrompt": None,
        "creativity": 0,
        "hdr": 0,
        "resemblance": 0,
        "fractality": 0,
        "engine": "automatic",
        "optimized_for": "standard",
    },
    ProviderType.FREEPIK_MAGNIFIC_PRECISION: {
        "defaultPrompt": None,
        "sharpen": 7,
        "smart_grain": 7,
        "ultra_detail": 30,
    },
    # A default model may change: the record names the one that was used.
    ProviderType.LOCAL: {},
    ProviderType.FAL_STANDARD: {"fal_request_id": None, "additional_static_params": None},
    ProviderType.FAL_SHOOTIFY_REFINER: {"fal_request_id": None},
    ProviderType.FAL_GARMENT_FIXER: {},
}


def _refine(**fields: Any) -> CreateRefineTask:
    body = {"origin_instance": "test", "base_image_url": "uploads/a.png", "upscale_factor": 2}
    return CreateRefineTask.model_validate({**body, **fields})


@pytest.mark.parametrize("provider", list(ProviderType))
def test_each_provider_has_a_config_with_the_domains_defaults(provider: ProviderType) -> None:
    given = {"provider_type": provider.value, **NEEDED.get(provider, {})}

    config = CONFIG.validate_python({**given, "unknown": 1})

    assert config.model_dump(mode="json") == {**given, **DEFAULTS[provider]}


@pytest.mark.parametrize(
    ("provider", "field", "value"),
    [
        ("vertex", "temperature", 2.1),
        ("vertex", "top_p", 1.1),
        ("vertex", "image_size", "8K"),
        ("vertex", "aspect_ratio", "7:5"),
        ("ai_core", "ai_provider", "mistral"),
        ("fashn_standard", "poll_interval", 61),
        ("freepik_magnific", "hdr", -11),
        ("freepik_magnific", "engine", "manual"),
        ("freepik_magnific_precision", "sharpen", 101),
        ("local", "rembg_model", "mine"),
        ("sartiq_ultimate_refiner", "version", "3"),
        ("sartiq_ultimate_refiner", "ssim_threshold", 1.1),
        ("sartiq_ultimate_face_fixer", "feather_px", -1),
        ("sartiq_ultimate_garment_fixer", "split_threshold", 0.5),
    ],
)
def test_bounds(provider: str, field: str, value: object) -> None:
    given = {"provider_type": provider, **NEEDED.get(ProviderType(provider), {}), field: value}

    with pytest.raises(ValidationError) as refusal:
        CONFIG.validate_python(given)

    assert [error["loc"] for error in refusal.value.errors()] == [(provider, field)]


def test_the_refiners_config_is_the_workers_own_message() -> None:
    config = CONFIG.validate_python({"provider_type": "sartiq_ultimate_refiner", "num_tiles": 4})

    assert isinstance(config, TiledRefinerConfig)
    assert TiledRefinerConfig.model_validate(config.model_dump()).num_tiles == 4
    described = config.model_json_schema()["properties"]
    assert all(
        "description" in field for name, field in described.items() if name != "provider_type"
    )


def test_freepiks_camel_case_name_is_read_and_written() -> None:
    config = FreepikMagnificConfig.model_validate({"defaultPrompt": "silk"})

    assert config.default_prompt == "silk"
    assert config.model_dump()["defaultPrompt"] == "silk"


def test_config_without_a_type_is_that_of_the_named_provider() -> None:
    task = _refine(provider_type="nano_banana_upscaler", provider_config={"max_retries": 1})

    assert task.provider_config is not None
    assert task.provider_config.provider_type is ProviderType.NANO_BANANA_UPSCALER


def test_config_without_any_named_provider_is_that_of_the_default() -> None:
    task = _refine(provider_config={"num_tiles": 4})

    assert task.provider_type is ProviderType.SARTIQ_ULTIMATE_REFINER


def test_config_names_the_provider() -> None:
    task = _refine(provider_config={"provider_type": "freepik_magnific"})

    assert task.provider_type is ProviderType.FREEPIK_MAGNIFIC


def test_no_provider_stays_open_where_nothing_is_said() -> None:
    task = _refine()

    assert (task.provider_type, task.provider_config) == (None, None)


def test_fal_app_of_the_request_counts_for_the_config() -> None:
    task = CreateGenerationTask.model_validate(
        {
            "origin_instance": "test",
            "prompt": "p",
            "fal_app_id": "fal-ai/flux/dev",
            "provider_config": {"provider_type": "fal_standard"},
        }
    )

    assert task.provider_config is not None
    assert task.provider_config.model_dump()["fal_app_id"] == "fal-ai/flux/dev"


@pytest.mark.parametrize("prefix", ["", "fallback_"])
def test_two_different_providers_are_refused(prefix: str) -> None:
    fields = {
        f"{prefix}provider_type": "local",
        f"{prefix}provider_config": {"provider_type": "freepik_magnific"},
    }

    with pytest.raises(
        ValidationError,
        match=f"{prefix}provider_config.provider_type is freepik_magnific, but "
        f"{prefix}provider_type is local",
    ):
        _refine(**fields)


def test_fallbacks_config_needs_a_provider() -> None:
    with pytest.raises(ValidationError, match="provider_type"):
        _refine(fallback_provider_config={"max_retries": 1})

    named = _refine(fallback_provider_config={"provider_type": "local"})
    assert named.fallback_provider_type is ProviderType.LOCAL


def test_fallback_on_fal_names_its_own_app() -> None:
    fallback = {"provider_type": "fal_standard"}
    with pytest.raises(ValidationError, match="fal_app_id"):
        _refine(fal_app_id="fal-ai/first", fallback_provider_config=fallback)

    named = _refine(fallback_provider_config=fallback | {"fal_app_id": "fal-ai/second"})
    assert named.fallback_provider_type is ProviderType.FAL_STANDARD


def test_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="sartiq_ultimate_refiner"):
        _refine(provider_type="replicate")
    with pytest.raises(ValidationError, match="sartiq_ultimate_refiner"):
        _refine(provider_config={"provider_type": "replicate"})
