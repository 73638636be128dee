from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.fal.convert.call import NeededObjects
from provider_worker.fal.convert.dispatch import fal_call, needed_objects
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError
from tests.fixtures.remote_work import app_work, generation_work

_LORA = "loras/sha256/" + "a" * 64
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


def _with_config(work: RemoteWork, **config: Any) -> RemoteWork:
    return work.model_copy(update={"provider_config": config})


def test_a_generation_is_flux_with_its_sizes_and_seed() -> None:
    order = fal_call(generation_work("a hat", config={"num_inference_steps": 9}), {})
    assert order.app_id == "fal-ai/flux/dev"
    assert order.input == {
        "prompt": "a hat",
        "image_size": {"width": 40, "height": 24},
        "seed": 7,
        "num_images": 1,
        "num_inference_steps": 9,
        "output_format": "png",
    }


def test_every_field_of_a_generation_reaches_an_app_that_takes_it() -> None:
    config = {"guidance_scale": 2.5, "negative_prompt": "blurred", "num_images": 3}
    order = fal_call(generation_work(config=config, fal_app_id="acme/task"), {})
    assert order.input | config == order.input
    flux = fal_call(generation_work(config=config), {})
    assert "negative_prompt" not in flux.input
    assert flux.ignored == ("config.negative_prompt",)


def test_loras_go_by_url_with_their_weights() -> None:
    work = generation_work(
        subject_model_path="product/a.safetensors",
        style_model_path="styles/b.safetensors",
        style_lora_weight=0.0,
        lora_objects={"style_model_path": _LORA + "b", "subject_model_path": _LORA},
    )
    assert needed_objects(work) == NeededObjects(files=frozenset({_LORA, _LORA + "b"}))
    order = fal_call(work, {_LORA: "https://s3/a", _LORA + "b": "https://s3/b"})
    assert order.app_id == "fal-ai/flux-lora"
    assert order.input["loras"] == [
        {"path": "https://s3/a", "scale": 0.8},
        {"path": "https://s3/b", "scale": 0.0},
    ]


def test_a_lora_that_was_not_resolved_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="subject_model_path"):
        needed_objects(generation_work(subject_model_path="product/dress.safetensors"))


@pytest.mark.parametrize(("influence", "strength"), [(0, 1.0), (30, 0.7), (100, 0.0)])
def test_a_reference_is_the_start_of_an_image_to_image(influence: float, strength: float) -> None:
    work = generation_work(reference_image_url="uploads/a.png", reference_image_strength=influence)
    assert needed_objects(work) == NeededObjects(pictures=frozenset({"uploads/a.png"}))
    order = fal_call(work, {"uploads/a.png": "data:image/png;base64,AA"})
    assert order.app_id == "fal-ai/flux-lora/image-to-image"
    assert order.input["image_size"] == {"width": 40, "height": 24}
    assert order.input["image_url"] == "data:image/png;base64,AA"
    assert order.input["strength"] == strength


def test_the_providers_configuration_names_the_app_first() -> None:
    work = generation_work(fal_app_id="acme/task")
    assert fal_call(work, {}).app_id == "acme/task"
    assert fal_call(_with_config(work, fal_app_id="acme/config"), {}).app_id == "acme/config"
    assert "output_format" not in fal_call(work, {}).input


def test_static_parameters_override_general_ones() -> None:
    static = {"enable_safety_checker": False, "image_size": "square"}
    work = _with_config(generation_work(), additional_static_params=static)
    assert fal_call(work, {}).input | static == fal_call(work, {}).input


@given(st.dictionaries(st.text(max_size=5), _JSON))
def test_parameters_of_an_app_pass_through(parameters: dict[str, Any]) -> None:
    work = app_work(**parameters)
    order = fal_call(work, {})
    assert order.input == work.inputs["fal_parameters"]
    assert order.app_id == "acme/cutter"


def test_only_listed_objects_become_urls_at_any_depth() -> None:
    work = app_work(image_url="uploads/a.png", layers=[{"of": "uploads/a.png"}, "uploads/b.png"])
    work.inputs["fal_objects"] = ["uploads/a.png"]
    assert needed_objects(work).pictures == {"uploads/a.png"}
    order = fal_call(work, {"uploads/a.png": "data:x"})
    assert order.input["image_url"] == "data:x"
    assert order.input["layers"] == [{"of": "data:x"}, "uploads/b.png"]


def test_static_parameters_override_those_of_the_client() -> None:
    work = _with_config(app_work(a=1), additional_static_params={"a": 2, "b": 3})
    assert fal_call(work, {}).input | {"a": 2, "b": 3} == fal_call(work, {}).input


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        ({"reference_image_url": "uploads/a.png"}, "reference image"),
        ({"lora_objects": {"style_model_path": _LORA}}, "LoRAs"),
    ],
)
def test_a_named_app_is_not_replaced_by_one_that_can_do_it(
    inputs: dict[str, Any], what: str
) -> None:
    work = _with_config(generation_work(**inputs), fal_app_id="fal-ai/flux/dev")
    with pytest.raises(InvalidInputError, match=f"fal-ai/flux/dev takes no {what}"):
        fal_call(work, {"uploads/a.png": "data:x", _LORA: "https://s3/a"})


@pytest.mark.parametrize(
    "inputs", [{}, {"prompt": "x"}, {"prompt": 1, "width": 1, "height": 1, "seed": 1}]
)
def test_incomplete_inputs_are_named(inputs: dict[str, Any]) -> None:
    work = generation_work().model_copy(update={"inputs": inputs})
    with pytest.raises(InvalidInputError, match="incomplete"):
        fal_call(work, {})
