"""Tasks as requests to Gemini."""

from typing import Any

import pytest

from provider_worker.google.convert import Defaults, GeminiWork, gemini_work
from shared.contracts.enums import TaskType
from shared.errors import InvalidInputError
from tests.fixtures.provider_adapters import GARMENT, PERSON
from tests.fixtures.provider_adapters import gemini_work as task

DEFAULTS = Defaults("gemini-3-pro-image", "gemini-3.1-pro-preview", "You know fashion.", 500)


def converted(
    task_type: TaskType = TaskType.EDITING,
    options: dict[str, Any] | None = None,
    **inputs: Any,
) -> GeminiWork:
    return gemini_work(task(task_type, options, **inputs), DEFAULTS)


def test_an_editing_has_the_settings_of_the_worker() -> None:
    found = converted()
    assert found.model == "gemini-3-pro-image"
    assert found.pictures == [("base_image", PERSON), ("reference_images", GARMENT)]
    assert found.config == {
        "temperature": 1.0,
        "top_p": 0.95,
        "system_instruction": "You know fashion.",
        "seed": 7,
        "response_modalities": ["TEXT", "IMAGE"],
        "image_config": {"aspect_ratio": "3:4", "image_size": "2K"},
    }
    assert (found.ratio, found.seed, found.ignored) == ("3:4", 7, [])


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**31, 2**62 + 3])
def test_seeds_are_those_that_gemini_takes(seed: int) -> None:
    assert converted(seed=seed).config["seed"] == seed % 2**31


def test_without_a_size_the_model_chooses_the_ratio() -> None:
    found = converted(TaskType.GENERATION, width=None, height=None, seed=None)
    assert found.ratio is None
    assert found.config["image_config"] == {"image_size": "2K"}
    assert "seed" not in found.config


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("gemini-2.5-flash-image", {}),
        ("gemini-3.1-flash-lite-image", {"image_size": "1K"}),
        ("gemini-3.1-flash-image", {"image_size": "2K"}),
    ],
)
def test_the_size_is_one_that_the_model_has(model: str, size: dict[str, str]) -> None:
    found = converted(options={"model": model})
    assert found.config["image_config"] == {"aspect_ratio": "3:4"} | size


def test_the_ratio_of_the_configuration_wins() -> None:
    found = converted(options={"aspect_ratio": "21:9"}, fal_app_id="a/b")
    assert found.ratio == "21:9"
    assert found.ignored == ["width", "height", "fal_app_id"]


@pytest.mark.parametrize("references", [None, []])
def test_references_may_be_none(references: list[str] | None) -> None:
    assert converted(reference_images=references).pictures == [("base_image", PERSON)]


@pytest.mark.parametrize(
    ("system_prompt", "instructions", "told"),
    [
        ("Be brief.", "Be long.", "Be brief."),
        (None, "Be long.", "Be long."),
        (None, None, "You know fashion."),
    ],
)
def test_the_system_prompt_of_a_text_wins(
    system_prompt: str | None, instructions: str | None, told: str
) -> None:
    found = converted(
        TaskType.LLM_INTERACTION,
        {"system_instructions": instructions},
        system_prompt=system_prompt,
    )
    assert found.config["system_instruction"] == told
    assert found.config["max_output_tokens"] == 500
    assert found.model == "gemini-3.1-pro-preview"
    assert not found.wants_picture


def test_a_schema_asks_for_data() -> None:
    schema = {"type": "object"}
    found = converted(TaskType.LLM_INTERACTION, config={"output_schema": schema})
    assert found.schema == schema
    assert found.config["response_mime_type"] == "application/json"
    assert found.config["response_json_schema"] == schema


@pytest.mark.parametrize(
    ("options", "inputs", "told"),
    [
        ({"model": "a/b"}, {}, "model"),
        ({"top_p": 2}, {}, "top_p"),
        ({"image_size": "8K"}, {}, "image_size: must be one of 1K, 2K, 4K"),
        ({}, {"config": {"num_images": 4}}, "one picture a request"),
        ({}, {"base_image": None}, "base_image"),
    ],
)
def test_what_gemini_cannot_do_is_refused(
    options: dict[str, Any], inputs: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        converted(options=options, **inputs)


@pytest.mark.parametrize(
    "schema", ["x", {"type": "object", "if": {"$ref": "https://example.com/schema.json"}}]
)
def test_a_schema_that_no_reply_can_be_checked_by_is_refused_before_it_is_paid_for(
    schema: Any,
) -> None:
    with pytest.raises(InvalidInputError, match=r"config\.output_schema"):
        converted(TaskType.LLM_INTERACTION, config={"output_schema": schema})
