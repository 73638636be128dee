import uuid
from typing import Any

import pytest

from provider_worker.magnific.convert import upscale
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError

_CREATIVE = ProviderType.FREEPIK_MAGNIFIC
_PRECISION = ProviderType.FREEPIK_MAGNIFIC_PRECISION


def _work(
    provider: ProviderType, provider_config: dict[str, Any] | None = None, **inputs: Any
) -> RemoteWork:
    return RemoteWork(
        task_id=uuid.uuid4(),
        attempt=1,
        task_type=TaskType.REFINE,
        provider_type=provider,
        provider_config=provider_config or {},
        inputs={"base_image_url": "uploads/a.png", "upscale_factor": 4.0} | inputs,
    )


def _fields(provider: ProviderType, **config: Any) -> dict[str, Any]:
    return upscale(_work(provider, config), "photo").fields


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("creativity", -10),
        ("hdr", 10),
        ("resemblance", 3),
        ("fractality", -3),
        ("engine", "magnific_illusio"),
        ("optimized_for", "3d_renders"),
    ],
)
def test_every_option_reaches_the_creative_upscaler(name: str, value: Any) -> None:
    assert _fields(_CREATIVE, **{name: value})[name] == value
    assert _fields(_CREATIVE)[name] != value


@pytest.mark.parametrize("name", ["sharpen", "smart_grain", "ultra_detail"])
def test_every_option_reaches_the_precision_upscaler(name: str) -> None:
    assert _fields(_PRECISION, **{name: 100})[name] == 100
    assert _fields(_PRECISION)[name] != 100


def test_the_tasks_prompt_wins_over_the_default_prompt() -> None:
    config = {"defaultPrompt": "a default"}
    asked = upscale(_work(_CREATIVE, config, upscale_prompt="studio light"), "photo")
    assert asked.fields["prompt"] == "studio light"
    assert upscale(_work(_CREATIVE, config), "photo").fields["prompt"] == "a default"
    assert "prompt" not in upscale(_work(_CREATIVE), "photo").fields


def test_the_precision_upscaler_has_no_prompt() -> None:
    work = _work(_PRECISION, {"defaultPrompt": "a default"}, upscale_prompt="studio light")
    found = upscale(work, "photo")
    assert "prompt" not in found.fields
    assert found.ignored == ["upscale_prompt", "provider_config.defaultPrompt"]


def test_fields_without_a_place_are_listed() -> None:
    work = _work(_CREATIVE, upscale_denoise=0.35, upscale_steps=20, upscale_seed=4)
    found = upscale(work, "photo")
    assert found.ignored == ["upscale_denoise", "upscale_steps", "upscale_seed"]


def test_each_upscaler_spells_the_factor_in_its_way() -> None:
    assert _fields(_CREATIVE)["scale_factor"] == "4x"
    assert _fields(_PRECISION)["scale_factor"] == 4
    assert upscale(_work(_PRECISION, upscale_factor=3.0), "photo").fields["scale_factor"] == 3


def test_the_flavor_is_that_of_the_settings() -> None:
    found = upscale(_work(_PRECISION), "sublime")
    assert found.fields["flavor"] == "sublime"
    assert found.provenance(1000, 500).model == "image-upscaler-precision-v2 (sublime)"


def test_the_provenance_has_what_was_ordered() -> None:
    found = upscale(_work(_CREATIVE), "photo").provenance(1000, 500)
    assert (found.engine, found.model) == ("magnific", "image-upscaler")
    assert found.settings == {"upscale_factor": 4, "output_megapixels": 8.0}


@pytest.mark.parametrize(
    ("provider", "inputs", "told"),
    [
        (_CREATIVE, {"upscale_factor": None}, "none was given; .* takes 2, 4, 8, 16"),
        (_CREATIVE, {"upscale_factor": 3}, "upscale_factor: 3; .* takes 2, 4, 8, 16"),
        (_CREATIVE, {"upscale_factor": 1}, "upscale_factor: 1;"),
        (_PRECISION, {"upscale_factor": 2.5}, "upscale_factor: 2.5; .* takes 2, 3, 4"),
        (_PRECISION, {"upscale_enabled": False}, "upscale_enabled"),
        (_PRECISION, {"face_detail_enabled": True}, "face_detail_enabled"),
        (_PRECISION, {"base_image_url": None}, "base_image_url"),
    ],
)
def test_a_request_beyond_the_upscalers_is_refused(
    provider: ProviderType, inputs: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        upscale(_work(provider, **inputs), "photo")


@pytest.mark.parametrize(
    ("provider", "config"),
    [
        (_CREATIVE, {"creativity": 11}),
        (_CREATIVE, {"engine": "steam"}),
        (_CREATIVE, {"optimized_for": "cats"}),
        (_PRECISION, {"sharpen": -1}),
    ],
)
def test_an_option_beyond_its_bounds_is_refused(
    provider: ProviderType, config: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(config))):
        _fields(provider, **config)
