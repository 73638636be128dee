"""REFINE: factors from sizes, and refusals before anything is sent."""

from typing import Any

import pytest

from provider_worker.fal.convert.call import NeededObjects
from provider_worker.fal.convert.dispatch import fal_call, needed_objects
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.fal_apps.app import Media
from shared.errors import InvalidInputError, UnservedError
from tests.fixtures.fal_work import BASE, REFERENCE, URLS, fal_work

SIZES = {BASE: (400, 300)}


@pytest.mark.parametrize(
    ("inputs", "factor", "target"),
    [
        ({"upscale_factor": 2}, 2, (800, 600)),
        ({"upscale_factor": 1.25}, 1.25, (500, 375)),
        ({"target_width": 1000, "target_height": 600}, 2.5, (1000, 600)),
        ({"target_width": 200, "target_height": 100}, 1, (200, 100)),
        ({"target_width": 1000, "target_height": 750, "upscale_factor": 4}, 2.5, (1000, 750)),
        ({"target_width": 800}, 2, (800, 600)),
        ({"target_height": 900}, 3, (1200, 900)),
        ({"upscale_enabled": False}, 1, (400, 300)),
    ],
)
def test_the_factor_covers_the_size_asked_for(
    inputs: dict[str, Any], factor: float, target: tuple[int, int]
) -> None:
    work = fal_work(TaskType.REFINE, **{"upscale_factor": None} | inputs)
    picture = frozenset({BASE})
    assert needed_objects(work) == NeededObjects(pictures=picture, sized=picture)
    call = fal_call(work, URLS, sizes=SIZES)
    assert (call.input["upscale_factor"], call.target_size) == (factor, target)
    assert call.output is Media.IMAGE


def test_an_app_with_one_factor_enlarges_and_the_result_is_scaled_down() -> None:
    work = fal_work(TaskType.REFINE, "fal-ai/aura-sr", upscale_factor=None, target_width=1000)
    call = fal_call(work, URLS, sizes=SIZES)
    assert (call.input, call.target_size) == (
        {"image_url": URLS[BASE], "upscale_factor": 4},
        (1000, 750),
    )
    assert call.ignored == ("upscale_denoise", "upscale_steps", "upscale_seed")


@pytest.mark.parametrize(
    ("app", "inputs", "told"),
    [
        (None, {"upscale_factor": 4.1}, "1640 × 1230 is 4.1 times.*from 1 to 4.*1600 × 1200"),
        (None, {"target_width": 2000, "target_height": 300}, "target_width.*2000 × 300 is 5 times"),
        ("fal-ai/aura-sr", {"upscale_factor": 2}, "must be one of 4"),
        (None, {}, "upscale_factor: give it, or target_width"),
    ],
)
def test_what_the_app_cannot_enlarge_is_refused_with_what_it_can(
    app: str | None, inputs: dict[str, Any], told: str
) -> None:
    work = fal_work(TaskType.REFINE, app, **{"upscale_factor": None} | inputs)
    with pytest.raises(InvalidInputError, match=told):
        fal_call(work, URLS, sizes=SIZES)


def test_an_unknown_upscaler_gets_conventional_names() -> None:
    work = fal_work(TaskType.REFINE, "acme/enlarge", upscale_prompt="silk")
    assert fal_call(work, URLS, sizes=SIZES).input == {
        "image_url": URLS[BASE],
        "prompt": "silk",
        "upscale_factor": 2,
        "creativity": 0.35,
        "num_inference_steps": 20,
        "seed": 1,
    }


def test_names_of_the_shootify_refiner_can_be_overridden() -> None:
    work = fal_work(
        TaskType.REFINE,
        "shootify/refiner",
        provider=ProviderType.FAL_SHOOTIFY_REFINER,
        upscale_seed=2**32 + 7,
    )
    names = {"upscale_denoise": "denoise", "face_detail_seed": "", "base_image_url": "picture"}
    body = fal_call(work, URLS, shootify_names=names).input
    assert (body["picture"], body["denoise"], body["upscale_seed"]) == (URLS[BASE], 0.35, 7)
    assert body.keys().isdisjoint({"image_url", "upscale_denoise", "face_detail_seed", ""})


def test_a_garment_fixer_without_an_app_is_not_served() -> None:
    work = fal_work(TaskType.DETAIL_ENHANCER, provider=ProviderType.FAL_GARMENT_FIXER)
    assert needed_objects(work).pictures == {BASE, REFERENCE}
    with pytest.raises(UnservedError, match="SARTIQ_FAL_GARMENT_FIXER_APP"):
        fal_call(work, URLS)
