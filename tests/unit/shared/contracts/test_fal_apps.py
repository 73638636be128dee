"""The table of fal's apps, and the capabilities that hang on them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.fal_apps.app import PictureApp, VideoApp
from shared.contracts.fal_apps.app_id import app_id_fault
from shared.contracts.fal_apps.table import app_capabilities, chosen_app, known_apps
from shared.contracts.fal_apps.videos import VIDEOS
from shared.contracts.options import Bounds, Choices, Flag, Words, as_sent
from shared.contracts.providers import PROVIDERS, capabilities_of

FAL = ProviderType.FAL_STANDARD
WITH_APPS = [kind for kind in TaskType if known_apps(kind)]


@pytest.mark.parametrize("task_type", WITH_APPS)
def test_apps_have_valid_ids_that_differ(task_type: TaskType) -> None:
    ids = [app.id for app in known_apps(task_type)]
    assert len(set(ids)) == len(ids)
    assert [app_id for app_id in ids if app_id_fault(app_id)] == []
    assert all(app.is_known for app in known_apps(task_type))


@pytest.mark.parametrize(
    ("task_type", "fields", "app_id"),
    [
        ("GENERATION", {}, "fal-ai/flux/dev"),
        ("GENERATION", {"style_model_path": "a"}, "fal-ai/flux-lora"),
        ("GENERATION", {"lora_objects": {"style_model_path": "a"}}, "fal-ai/flux-lora"),
        ("GENERATION", {"reference_image_data": "a"}, "fal-ai/flux-lora/image-to-image"),
        ("EDITING", {"reference_images": []}, "fal-ai/flux-pro/kontext"),
        ("EDITING", {"reference_images": ["a"]}, "fal-ai/flux-pro/kontext/multi"),
        ("REFINE", {}, "fal-ai/clarity-upscaler"),
        ("VIDEO_GENERATION", {}, "fal-ai/kling-video/v3/standard/text-to-video"),
        (
            "VIDEO_GENERATION",
            {"input_image_url": "a"},
            "fal-ai/kling-video/v3/standard/image-to-video",
        ),
        ("EDITING", {"fal_app_id": "acme/edit"}, "acme/edit"),
        ("VIDEO_GENERATION", {"config": {"fal_app_id": "fal-ai/veo3.1"}}, "fal-ai/veo3.1"),
        ("VIDEO_GENERATION", {"config": {"fal_app_id": "Fal-AI/VEO3.1"}}, "fal-ai/veo3.1"),
        (
            "EDITING",
            {"fal_app_id": "acme/edit", "config": {"fal_app_id": "fal-ai/flux-2/edit"}},
            "acme/edit",
        ),
    ],
)
def test_default_app_fits_the_fields(task_type: str, fields: dict[str, Any], app_id: str) -> None:
    chosen = chosen_app(TaskType(task_type), {}, fields)
    assert chosen.id == app_id
    assert chosen.is_known == (app_id != "acme/edit")
    named = chosen_app(TaskType(task_type), {"fal_app_id": "acme/other"}, fields)
    assert (named.id, named.is_known) == ("acme/other", False)


@pytest.mark.parametrize(
    ("task_type", "app_id", "has", "lacks"),
    [
        ("GENERATION", None, {"MULTI_LORA", "REFERENCE_IMAGE", "SEED"}, {"NEGATIVE_PROMPT"}),
        ("GENERATION", "fal-ai/flux/dev", {"SEED", "OUTPUT_SIZE"}, {"LORA", "REFERENCE_IMAGE"}),
        ("GENERATION", "fal-ai/flux-lora", {"LORA", "MULTI_LORA"}, {"REFERENCE_IMAGE"}),
        ("GENERATION", "acme/own", {"LORA", "NEGATIVE_PROMPT", "REFERENCE_IMAGE"}, set()),
        ("EDITING", None, {"MULTI_REFERENCE", "ASPECT_RATIO"}, {"NEGATIVE_PROMPT"}),
        ("EDITING", "fal-ai/flux-pro/kontext", {"SEED"}, {"REFERENCE_IMAGE", "MULTI_REFERENCE"}),
        ("EDITING", "fal-ai/qwen-image-edit-plus", {"NEGATIVE_PROMPT", "OUTPUT_SIZE"}, set()),
        ("REFINE", None, {"UPSCALE_FLOAT", "OUTPUT_SIZE"}, {"UPSCALE_8X", "FACE_DETAIL"}),
        ("REFINE", "fal-ai/aura-sr", {"UPSCALE_4X"}, {"UPSCALE_2X", "UPSCALE_FLOAT", "SEED"}),
        ("VIDEO_GENERATION", None, {"IMAGE_TO_VIDEO", "TEXT_TO_VIDEO", "NEGATIVE_PROMPT"}, set()),
        (
            "VIDEO_GENERATION",
            "fal-ai/minimax/hailuo-02/standard/text-to-video",
            {"TEXT_TO_VIDEO"},
            {"IMAGE_TO_VIDEO", "NEGATIVE_PROMPT"},
        ),
    ],
)
def test_capabilities_hang_on_the_app(
    task_type: str, app_id: str | None, has: set[str], lacks: set[str]
) -> None:
    found = set(capabilities_of(FAL, TaskType(task_type), app_id))
    assert has <= found
    assert found.isdisjoint(lacks)


def test_other_providers_have_the_capabilities_that_they_state() -> None:
    for provider in set(ProviderType) - {FAL, ProviderType.FREEPIK_MAGNIFIC_PRECISION}:
        for task_type in PROVIDERS[provider].queues:
            assert capabilities_of(provider, task_type, "x/y") == PROVIDERS[provider].capabilities


def test_everything_that_some_app_can_do_is_open_to_unknown_ones() -> None:
    for task_type in WITH_APPS:
        for app in known_apps(task_type):
            assert app_capabilities(task_type, app.id) <= app_capabilities(task_type, "acme/own")


@pytest.mark.parametrize("app", VIDEOS, ids=lambda app: app.id)
def test_video_apps_name_a_picture_or_start_from_text(app: VideoApp) -> None:
    assert (app.picture is not None) == app.id.endswith("/image-to-video")
    assert app.durations == tuple(sorted(set(app.durations)))
    assert app.durations


@pytest.mark.parametrize("kind", ["GENERATION", "EDITING"])
def test_apps_with_ratios_have_a_field_for_them(kind: str) -> None:
    for app in known_apps(TaskType(kind)):
        assert isinstance(app, PictureApp)
        is_ratio = app.sizing is not None and app.sizing.value != "image_size"
        assert bool(app.ratios) == is_ratio
        assert bool(app.max_references) == (app.picture == "image_urls")


@pytest.mark.parametrize(
    "app_id",
    ["x", "a b/c", "/a/b", "a/b/", "a//b", "a/..", "é/b", "a/" * 200,
     "a/b/requests/r/cancel", "a/b/Requests", "requests/a"],
)  # fmt: skip
def test_text_that_is_no_app_is_told(app_id: str) -> None:
    assert "write owner/app" in (app_id_fault(app_id) or "")


@given(st.integers(1, 4).map(float) | st.floats(1, 4))
def test_a_whole_number_is_sent_without_a_fraction(value: float) -> None:
    sent = as_sent(Bounds(1, 4, is_whole=True), value)
    assert sent == value
    assert isinstance(sent, int) == value.is_integer()
    assert as_sent(Bounds(1, 4), value) is value


@given(st.floats() | st.integers() | st.text(max_size=3) | st.booleans() | st.none())
def test_options_admit_only_their_own_kind(value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    within = is_number and 1 <= value <= 4
    assert (Bounds(1, 4).fault(value) is None) == within
    assert (Bounds(1, 4, is_whole=True).fault(value) is None) == (within and value % 1 == 0)
    assert (Flag().fault(value) is None) == isinstance(value, bool)
    assert (Words(2).fault(value) is None) == (isinstance(value, str) and len(value) <= 2)
    is_one = value == "a" or (type(value) is int and value == 1)
    assert (Choices((1, "a")).fault(value) is None) == is_one
