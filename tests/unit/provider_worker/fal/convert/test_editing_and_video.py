"""EDITING and VIDEO_GENERATION beyond the committed requests."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.fal.convert.dispatch import fal_call, needed_objects
from shared.contracts.enums import TaskType
from shared.contracts.fal_apps.app import Media, VideoApp
from shared.contracts.fal_apps.videos import VIDEOS
from shared.errors import InvalidInputError
from tests.fixtures.fal_work import BASE, REFERENCE, URLS, fal_work

EDITING, VIDEO = TaskType.EDITING, TaskType.VIDEO_GENERATION


def test_an_unknown_editor_gets_conventional_names() -> None:
    one = fal_call(fal_work(EDITING, "acme/edit"), URLS).input
    assert one == {
        "prompt": "replace the jacket",
        "image_url": URLS[BASE],
        "image_size": {"width": 1024, "height": 1280},
        "seed": 1,
        "num_images": 1,
    }
    two = fal_call(fal_work(EDITING, "acme/edit", reference_images=[REFERENCE]), URLS).input
    assert two["image_urls"] == [URLS[BASE], URLS[REFERENCE]]
    assert "image_url" not in two


@pytest.mark.parametrize("name", ["max_images", "num_images"])
def test_a_whole_number_is_sent_without_a_fraction(name: str) -> None:
    work = fal_work(EDITING, "fal-ai/bytedance/seedream/v4/edit", config={name: 2.0})
    sent = fal_call(work, URLS).input[name]
    assert (sent, type(sent)) == (2, int)


def test_an_app_named_in_config_is_used() -> None:
    work = fal_work(VIDEO, config={"fal_app_id": "fal-ai/veo3.1"})
    work = work.model_copy(update={"inputs": work.inputs | {"input_image_url": None}})
    work = work.model_copy(update={"inputs": work.inputs | {"duration_seconds": 8}})
    assert fal_call(work, URLS).app_id == "fal-ai/veo3.1"


def test_references_that_the_app_does_not_take_are_refused() -> None:
    work = fal_work(EDITING, "fal-ai/flux-pro/kontext", reference_images=[REFERENCE])
    assert needed_objects(work).pictures == {BASE, REFERENCE}
    with pytest.raises(InvalidInputError, match="kontext takes at most 0, not 1"):
        fal_call(work, URLS)


def test_what_has_no_place_is_listed() -> None:
    config = {"num_inference_steps": 20, "guidance_scale": 0.0, "strength": 0.5}
    call = fal_call(fal_work(EDITING, config=config), URLS)
    assert call.ignored == ("config.num_inference_steps",)
    assert call.input["guidance_scale"] == 0
    plain = fal_call(fal_work(EDITING, "fal-ai/bytedance/seedream/v4/edit", config=config), URLS)
    assert plain.ignored == ("config.num_inference_steps", "config.guidance_scale")
    sized = fal_work(
        TaskType.GENERATION, "fal-ai/flux/dev/image-to-image", reference_image_url=BASE
    )
    assert fal_call(sized, URLS).ignored == ("width", "height")


@given(st.integers(0, 2**63 - 1))
def test_seeds_are_reduced_to_what_fal_takes(seed: int) -> None:
    found = fal_call(fal_work(EDITING, seed=seed), URLS).input["seed"]
    assert 0 <= found < 2**32
    assert (seed - found) % 2**32 == 0


@given(st.sampled_from(VIDEOS), st.integers(1, 60))
def test_a_duration_is_spelled_as_the_app_does_or_refused(app: VideoApp, seconds: int) -> None:
    picture = BASE if app.picture else None
    work = fal_work(VIDEO, app.id, input_image_url=picture, duration_seconds=seconds)
    if seconds not in app.durations:
        with pytest.raises(InvalidInputError, match="duration_seconds: must be one of"):
            fal_call(work, URLS)
        return
    call = fal_call(work, URLS)
    assert call.input.get("duration") in {str(seconds), f"{seconds}s", None}
    assert ("duration_seconds" in call.ignored) == ("duration" not in call.input)
    assert call.input.get(app.audio or "", False) is False
    assert call.output is Media.VIDEO


def test_an_unknown_video_app_gets_conventional_names() -> None:
    plain = fal_call(fal_work(VIDEO, "acme/film", input_image_url=BASE), URLS)
    assert plain.input == {"prompt": "she turns", "image_url": URLS[BASE], "duration": 5}
    config: dict[str, Any] = {"generate_audio": True, "aspect_ratio": "1:1", "other": 1}
    full = fal_work(
        VIDEO, "acme/film", negative_prompt="blur", cfg_scale=2, duration_seconds=60, config=config
    )
    assert fal_call(full, {}).input == {
        "prompt": "she turns",
        "duration": 60,
        "negative_prompt": "blur",
        "cfg_scale": 2,
        "generate_audio": True,
        "aspect_ratio": "1:1",
    }


@pytest.mark.parametrize(
    ("mode", "picture", "told"), [("text", BASE, "takes no"), ("image", None, "needs a")]
)
def test_a_first_picture_must_fit_the_app(mode: str, picture: str | None, told: str) -> None:
    app = f"fal-ai/kling-video/v3/pro/{mode}-to-video"
    with pytest.raises(InvalidInputError, match=f"{told} picture"):
        fal_call(fal_work(VIDEO, app, input_image_url=picture), URLS)


def test_static_parameters_win() -> None:
    static = {"duration": "9", "extra": {"a": 1}}
    assert fal_call(fal_work(VIDEO, static=static), {}).input.items() >= static.items()
