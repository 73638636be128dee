import uuid
from typing import Any

import pytest

from provider_worker.fashn.convert import read_options, request_body, try_on
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError


def _work(provider_config: dict[str, Any] | None = None, **inputs: Any) -> RemoteWork:
    given = {
        "prompt": "tuck in shirt",
        "base_image": "uploads/person.png",
        "reference_images": ["uploads/garment.png"],
        "width": 800,
        "height": 1200,
        "seed": 42,
    }
    return RemoteWork(
        task_id=uuid.uuid4(),
        attempt=1,
        task_type=TaskType.EDITING,
        provider_type=ProviderType.FASHN_STANDARD,
        provider_config=provider_config or {},
        inputs=given | inputs,
    )


def _inputs(**inputs: Any) -> dict[str, Any]:
    return request_body(try_on(_work(**inputs)), "person", "garment")["inputs"]


def test_each_model_has_its_own_field_for_the_garment() -> None:
    assert _inputs()["garment_image"] == "garment"
    largest = _inputs(config={"model_name": "tryon-max"})
    assert (largest["model_image"], largest["product_image"]) == ("person", "garment")
    assert "garment_image" not in largest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("category", "tops"),
        ("garment_photo_type", "flat-lay"),
        ("mode", "performance"),
        ("moderation_level", "none"),
        ("num_samples", 4),
        ("segmentation_free", True),
    ],
)
def test_every_key_of_config_reaches_the_model(name: str, value: Any) -> None:
    assert _inputs(config={name: value})[name] == value
    assert _inputs().get(name) != value


@pytest.mark.parametrize(
    ("name", "value"),
    [("resolution", "2k"), ("generation_mode", "balanced"), ("num_images", 3)],
)
def test_every_key_of_config_reaches_the_largest_model(name: str, value: Any) -> None:
    largest = {"model_name": "tryon-max"}
    assert _inputs(config=largest | {name: value})[name] == value
    assert _inputs(config=largest).get(name) != value


@pytest.mark.parametrize(
    ("model", "name"), [("tryon-v1.6", "num_samples"), ("tryon-max", "num_images")]
)
def test_a_whole_number_is_sent_without_a_fraction(model: str, name: str) -> None:
    sent = _inputs(config={"model_name": model, name: 2.0})[name]
    assert (sent, type(sent)) == (2, int)


def test_a_seed_is_reduced_to_32_bits() -> None:
    assert _inputs(seed=2**32 + 5)["seed"] == 5
    assert try_on(_work(seed=2**32 + 5)).seed == 5
    assert "seed" not in _inputs(seed=None)


def test_the_largest_model_takes_the_nearest_ratio_and_the_prompt() -> None:
    largest = {"model_name": "tryon-max"}
    given = _inputs(config=largest, width=1000, height=562)
    assert (given["aspect_ratio"], given["prompt"]) == ("16:9", "tuck in shirt")
    assert "aspect_ratio" not in _inputs()
    assert "prompt" not in _inputs()


def test_fields_without_a_place_are_listed() -> None:
    found = try_on(_work(config={"resolution": "2k", "note": "x"}, fal_app_id="a/b"))
    assert found.ignored == ["prompt", "width", "height", "fal_app_id", "config.resolution"]
    assert found.provenance.ignored == found.ignored
    assert (found.provenance.engine, found.provenance.model) == ("fashn", "tryon-v1.6")
    largest = try_on(_work(config={"model_name": "tryon-max", "category": "tops"}))
    assert largest.ignored == ["config.category"]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"reference_images": []}, "reference_images: a try-on takes exactly one"),
        ({"reference_images": ["a", "b"]}, "the request has 2"),
        ({"config": {"model_name": "tryon-v9"}}, "config.model_name must be one of"),
        ({"config": {"category": "hats"}}, "config.category must be one of auto, tops"),
        ({"config": {"num_samples": 5}}, "config.num_samples must be a whole number from 1 to 4"),
        ({"base_image": None}, "base_image"),
    ],
)
def test_a_request_beyond_the_models_is_refused(inputs: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        try_on(_work(**inputs))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_interval": 61}, "poll_interval"),
        ({"max_wait_seconds": 0}, "max_wait_seconds"),
        ({"max_image_height": 255}, "max_image_height"),
        ({"max_image_height": 8001}, "max_image_height"),
    ],
)
def test_a_configuration_beyond_its_bounds_is_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        read_options(_work(config))


def test_a_configuration_has_defaults() -> None:
    found = read_options(_work({"provider_type": "fashn_standard", "fashn_task_id": "x"}))
    assert (found.max_image_height, found.poll_interval, found.max_wait_seconds) == (2000, 2, None)
