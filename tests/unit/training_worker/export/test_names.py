"""File names of LoRAs: of the trigger word where that can be one."""

from uuid import UUID

import pytest

from shared.lora.names import split_filename
from training_worker.export.names import file_stem

_ID = UUID("12345678-9abc-4def-8123-456789abcdef")


@pytest.mark.parametrize(
    ("trigger", "stem"),
    [("sh0e", "sh0e"), ("my shoe", "my shoe"), ("crème", "creme"), ("靴 boot", "boot")],
)
def test_trigger_word_is_the_name(trigger: str, stem: str) -> None:
    assert file_stem(trigger, _ID) == stem


@pytest.mark.parametrize("trigger", ["靴", "a/b", "..", "con", "x" * 201, "", "a\\b", "-", "a%2fb"])
def test_other_words_become_the_id(trigger: str) -> None:
    stem = file_stem(trigger, _ID)

    assert stem == "training-12345678"
    assert split_filename(f"{stem}.safetensors", is_made_safe=False) == (stem, ".safetensors")
