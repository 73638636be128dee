"""Captions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.preprocessing.captions import (
    file_words,
    first_caption,
    is_unnamed,
    model_caption,
    one_line,
    with_trigger,
)
from shared.contracts.datasets import Captioning
from shared.contracts.enums import CaptioningStrategy

DIGEST = "trainings/6b3/inputs/0123456789abcdef.png"


def caption(source: str, strategy: CaptioningStrategy, trigger: str = "zqx") -> str:
    return first_caption(Captioning(strategy=strategy, trigger_word=trigger), source)


def test_strategies() -> None:
    source = "uploads/red_dress-on+model_01.png"
    assert caption(source, CaptioningStrategy.NONE) == ""
    assert caption(source, CaptioningStrategy.TRIGGER_ONLY) == "zqx"
    assert caption(source, CaptioningStrategy.FILENAME) == "zqx, red dress on model"
    assert caption(source, CaptioningStrategy.LLM) == "zqx", "until the model has described it"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a/b/red_dress.png", "red dress"),
        ("red  dress-12.jpg", "red dress"),
        ("dress.v2.final.jpg", "dress.v2.final"),
        ("https://cdn.example/x/red%20dress.jpg?sig=abc_def", "red dress"),
        ("https://cdn.example/%E8%B5%A4%E3%81%84%E6%9C%8D_03.jpg", "赤い服"),
        ("uploads/赤い服.png", "赤い服"),
        ("https://cdn.example/a%2Fb_c.png", "b c"),
        ("https://cdn.example/dress%0Aone.png", "dress one"),
        ("uploads/a%20b.png", "a%20b"),
        ("2024_01.png", ""),
        ("https://cdn.example/", ""),
        ("https://[", ""),
        (DIGEST, ""),
        ("https://cdn.example/3F2504E0-4F89-41D3-9A0C-0305E82C3301.jpg", ""),
    ],
)
def test_words_of_a_file_name(source: str, words: str) -> None:
    assert file_words(source) == words


def test_files_without_words_are_captioned_by_the_trigger() -> None:
    assert caption(DIGEST, CaptioningStrategy.FILENAME) == "zqx"
    assert caption("0001.png", CaptioningStrategy.FILENAME, "靴") == "靴"


@pytest.mark.parametrize(
    ("source", "is_digest"),
    [(DIGEST, True), ("deadbeef.png", False), ("uploads/dress.png", False), ("1.png", False)],
)
def test_digests_are_no_names(source: str, *, is_digest: bool) -> None:
    assert is_unnamed(source) is is_digest


@pytest.mark.parametrize(
    ("text", "trigger", "expected"),
    [
        ("a red dress", "zqx", "zqx, a red dress"),
        ("a zqx dress", "zqx", "a zqx dress"),
        ("zqx", "zqx", "zqx"),
        ("a zqxy dress", "zqx", "zqx, a zqxy dress"),
        ("a [trigger] dress, [trigger]", "zqx", "a zqx dress, zqx"),
        ("赤い靴の写真", "赤い靴", "赤い靴の写真"),
        ("a dress", "c++ (x)", "c++ (x), a dress"),
        ("", "zqx", "zqx"),
    ],
)
def test_trigger_is_in_every_caption_once_needed(text: str, trigger: str, expected: str) -> None:
    assert with_trigger(text, trigger) == expected


@given(text=st.text(), trigger=st.text(min_size=1))
def test_any_caption_contains_its_trigger_on_one_line(text: str, trigger: str) -> None:
    word = one_line(trigger)
    found = with_trigger(text, word)
    assert word in found
    assert found == one_line(found)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("  A dress.\n\nIt is red. ", "zqx, A dress. It is red."),
        ("A [trigger] dress", "A zqx dress"),
        ("", None),
        (" \n\t\u200b", None),
        ("x" * 600, f"zqx, {'x' * 500}"),
    ],
)
def test_replies_of_a_model(reply: str, expected: str | None) -> None:
    assert model_caption(reply, "zqx") == expected
