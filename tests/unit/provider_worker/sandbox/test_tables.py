"""The tables of published inputs, and their check."""

from typing import Any

import pytest

from provider_worker.sandbox.schemas.tables import EXTRA, read_table

_FAL = read_table("fal")
_KLING = "fal-ai/kling-video/v3/standard/image-to-video"
_PICTURE = "data:image/png;base64,AA=="


@pytest.mark.parametrize(
    ("app", "given"),
    [
        (
            "fal-ai/flux-lora/image-to-image",
            {
                "prompt": "a red dress",
                "image_url": _PICTURE,
                "strength": 0.5,
                "image_size": {"width": 1024, "height": 1024},
                "seed": 1,
                "num_images": 1,
                "loras": [],
                "output_format": "png",
            },
        ),
        (
            "fal-ai/flux-pro/kontext/multi",
            {
                "prompt": "dress the first as the second",
                "image_urls": [_PICTURE, _PICTURE],
                "aspect_ratio": "3:4",
                "seed": 1,
                "num_images": 1,
                "output_format": "png",
                "safety_tolerance": "2",
            },
        ),
        (
            "fal-ai/clarity-upscaler",
            {
                "image_url": _PICTURE,
                "prompt": "masterpiece",
                "upscale_factor": 2,
                "creativity": 0.35,
                "resemblance": 0.6,
                "guidance_scale": 4,
                "num_inference_steps": 18,
                "seed": 1,
            },
        ),
        (
            _KLING,
            {
                "prompt": "she turns",
                "start_image_url": _PICTURE,
                "duration": "7",
                "negative_prompt": "blur",
                "cfg_scale": 0.5,
                "generate_audio": False,
            },
        ),
    ],
)
def test_requests_of_the_official_client_have_no_faults(app: str, given: dict[str, Any]) -> None:
    assert _FAL[app].problems(given) == []


@pytest.mark.parametrize(
    ("app", "changed", "field", "kind"),
    [
        (_KLING, {"duration": 7}, "duration", "literal_error"),
        (_KLING, {"duration": "16"}, "duration", "literal_error"),
        (_KLING, {"cfg_scale": 1.5}, "cfg_scale", "less_than_equal"),
        (_KLING, {"generate_audio": "perhaps"}, "generate_audio", "bool_type"),
        (_KLING, {"generate_audio": 1}, "generate_audio", "bool_type"),
        ("fal-ai/flux/dev", {"num_images": 2.0}, "num_images", "int_type"),
        ("fal-ai/flux/dev", {"num_images": "2"}, "num_images", "int_type"),
        (_KLING, {"image_url": _PICTURE}, "image_url", EXTRA),
        ("fal-ai/flux/dev", {"negative_prompt": "blur"}, "negative_prompt", EXTRA),
        ("fal-ai/flux/dev", {"num_images": 5}, "num_images", "less_than_equal"),
        ("fal-ai/flux/dev", {"num_images": None}, "num_images", "int_type"),
        ("fal-ai/flux/dev", {"image_size": {"width": 0}}, "image_size", "greater_than"),
        ("fal-ai/flux/dev", {"image_size": "huge"}, "image_size", "literal_error"),
        ("fal-ai/flux-lora", {"loras": [{"url": "a"}]}, "loras", "missing"),
        ("fal-ai/flux/dev/image-to-image", {"image_size": "square"}, "image_size", EXTRA),
        ("fal-ai/veo3.1", {"duration": "5s"}, "duration", "literal_error"),
    ],
)
def test_a_fault_names_its_field(app: str, changed: dict[str, Any], field: str, kind: str) -> None:
    needed = {"prompt": "x", "start_image_url": _PICTURE, "image_url": _PICTURE}
    fields = _FAL[app].model.model_fields
    given = {name: value for name, value in needed.items() if name in fields} | changed
    found = {(problem.loc[0], problem.type) for problem in _FAL[app].problems(given)}
    assert (field, kind) in found
    assert {name for name, _ in found} == {field}


def test_null_is_taken_where_no_default_is_published() -> None:
    assert _FAL["fal-ai/flux/dev"].problems({"prompt": "x", "seed": None}) == []


@pytest.mark.parametrize("provider", ["fal", "fashn", "magnific"])
def test_each_app_has_a_result_and_needs_something(provider: str) -> None:
    for app, schema in read_table(provider).items():
        assert schema.output, app
        assert schema.problems({"no such field": 1}), app
