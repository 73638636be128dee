"""An LLM_INTERACTION as a chat."""

import math
from typing import Any

import pytest

from provider_worker.llm.convert import interaction
from shared.contracts.enums import AiProvider
from shared.errors import InvalidInputError
from tests.fixtures.llm_activities import SCHEMA, interaction_work


def test_every_field_has_its_place() -> None:
    options = {"temperature": 0.2, "max_tokens": 50}
    work = interaction_work(
        "anthropic",
        options,
        prompt="What is it?",
        system_prompt="Be brief.",
        input_images=["a.png", "b.png"],
        config={"output_schema": SCHEMA, "other": 1},
    )
    found = interaction(work, 4096)
    chat = found.chat
    assert (found.vendor, found.pictures) == (AiProvider.ANTHROPIC, ["a.png", "b.png"])
    assert (chat.prompt, chat.instructions) == ("What is it?", "Be brief.")
    assert (chat.model, chat.temperature, chat.max_tokens) == ("claude-sonnet-4-6", 0.2, 50)
    assert chat.schema is not None
    assert (chat.schema.name, chat.schema.schema) == ("Garment", SCHEMA)


def test_what_is_left_out_has_its_default() -> None:
    work = interaction_work("openai", {"max_tokens": None}, system_prompt="", input_images=None)
    chat = interaction(work, 123).chat
    assert (chat.temperature, chat.max_tokens, chat.instructions, chat.schema) == (
        0.7,
        123,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("options", "inputs"),
    [
        ({"ai_provider": "acme"}, {}),
        ({"model": ""}, {}),
        ({"temperature": math.nan}, {}),
        ({"max_tokens": 0}, {}),
        ({"max_tokens": 10**9}, {}),
        ({}, {"prompt": ""}),
        ({}, {"config": {"output_schema": "mapped"}}),
        ({}, {"input_images": ["a.png"] * 21}),
    ],
)
def test_what_no_vendor_can_do_is_refused(options: dict[str, Any], inputs: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        interaction(interaction_work("openai", options, **inputs), 4096)
