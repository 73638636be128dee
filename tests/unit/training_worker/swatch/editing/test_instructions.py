import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_worker.swatch.captions import COLOUR_WORDS, SYNONYMS
from training_worker.swatch.colouring import Colour
from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import CLASS_NAMES
from training_worker.swatch.editing.evaluate import UNSEEN_TEMPLATES
from training_worker.swatch.editing.instructions import (
    BORROW_TEMPLATES,
    KEEP_TEMPLATES,
    RECOLOUR_TEMPLATES,
    draw_borrowing,
    draw_keeping,
    draw_recolouring,
)
from training_worker.swatch.text import TextTokenizers

pytestmark = pytest.mark.models

ALL_COLOUR_WORDS = {word for words in COLOUR_WORDS.values() for word in words}

class_names = st.sampled_from(CLASS_NAMES)
seeds = st.integers(0, 2**32)


@given(class_names, st.sampled_from(list(Colour)), seeds)
def test_recolouring_names_its_colour_and_no_other(
    class_name: str, colour: Colour, seed: int
) -> None:
    words = draw_recolouring(class_name, colour, random.Random(seed)).lower().split()
    assert ALL_COLOUR_WORDS & set(words) <= set(COLOUR_WORDS[colour])
    assert ALL_COLOUR_WORDS & set(words)


@given(class_names, seeds)
def test_borrowing_and_keeping_name_no_colour(class_name: str, seed: int) -> None:
    for draw in (draw_borrowing, draw_keeping):
        instruction = draw(class_name, random.Random(seed))
        assert instruction
        assert not ALL_COLOUR_WORDS & set(instruction.lower().split())


@pytest.mark.parametrize("templates", [RECOLOUR_TEMPLATES, BORROW_TEMPLATES, KEEP_TEMPLATES])
def test_every_instruction_fits_the_short_padding(templates: tuple[str, ...]) -> None:
    config = SwatchConfig()
    tokenizer = TextTokenizers.build(config.transformer).t5
    items = {word for words in SYNONYMS.values() for word in words}
    texts = [
        f"Please {template.format(item=item, colour='purple')}".title()
        for template in templates
        for item in items
    ]
    longest = max(len(ids) for ids in tokenizer(texts)["input_ids"])
    assert longest <= config.kontext.short_text_tokens


def test_unseen_wordings_are_not_among_the_templates() -> None:
    assert not set(UNSEEN_TEMPLATES) & set(RECOLOUR_TEMPLATES)
