import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_worker.swatch.captions import (
    COLOUR_WORDS,
    SYNONYMS,
    draw_caption,
    draw_detail_caption,
    simple_prompt,
    vocabulary,
    with_articles,
)
from training_worker.swatch.colouring import Colour
from training_worker.swatch.data import CLASS_NAMES

pytestmark = pytest.mark.models

class_names = st.sampled_from(CLASS_NAMES)
colours = st.sampled_from(list(Colour))
seeds = st.integers(0, 2**32)


@given(class_names, colours, seeds)
def test_caption_names_its_garment_and_no_other_colour(
    class_name: str, colour: Colour, seed: int
) -> None:
    caption = draw_caption(class_name, colour, random.Random(seed)).lower()
    if not caption:
        return
    assert any(word in caption for word in SYNONYMS[class_name])
    own = set(COLOUR_WORDS[colour])
    others = {word for words in COLOUR_WORDS.values() for word in words} - own
    scene = caption.removesuffix("on a white background").replace(",", "").split()
    assert not others & set(scene)


@given(class_names, colours, seeds)
def test_same_seed_draws_same_captions(class_name: str, colour: Colour, seed: int) -> None:
    for draw in (draw_caption, draw_detail_caption):
        first = draw(class_name, colour, random.Random(seed))
        assert draw(class_name, colour, random.Random(seed)) == first


def test_captions_leave_out_colour_and_everything_sometimes() -> None:
    rng = random.Random(0)
    captions = [draw_caption("bag", Colour.RED, rng).lower() for _ in range(2000)]
    empty = sum(not caption for caption in captions)
    with_colour = sum("red" in caption.split() for caption in captions)
    assert 0.04 < empty / 2000 < 0.09
    assert 0.75 < with_colour / 2000 < 0.88


def test_every_class_has_words() -> None:
    assert set(SYNONYMS) == set(CLASS_NAMES)
    assert set(COLOUR_WORDS) == set(Colour)


@pytest.mark.parametrize(
    ("plain", "written"),
    [
        ("a orange dress", "an orange dress"),
        ("a red trousers", "red trousers"),
        ("a photo of a blue jeans", "a photo of blue jeans"),
        ("a man in a black boots", "a man in black boots"),
        ("a photo of trousers", "a photo of trousers"),
        ("a red dress", "a red dress"),
        ("", ""),
    ],
)
def test_articles_follow_english_usage(plain: str, written: str) -> None:
    assert with_articles(plain) == written


def test_simple_prompt_is_a_plain_phrase() -> None:
    assert simple_prompt(Colour.ORANGE, "ankle boot") == "an orange ankle boot"
    assert simple_prompt(Colour.RED, "trousers") == "red trousers"


def test_vocabulary_holds_the_words_of_the_demo() -> None:
    assert {"fashion", "model", "wearing", "elegant", "dress"} <= set(vocabulary())
