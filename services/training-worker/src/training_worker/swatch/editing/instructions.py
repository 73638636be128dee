"""Instructions to recolour a garment, to take the colour of a reference, or to keep it.

Swatch's tokenizers are not changed: words that its captions lack are tokenized by letter.
"""

import random

from training_worker.swatch.captions import COLOUR_WORDS, SYNONYMS, vary_case, with_articles
from training_worker.swatch.colouring import Colour

RECOLOUR_TEMPLATES = (
    "make it {colour}",
    "make it {colour}",
    "make the {item} {colour}",
    "make this {item} {colour}",
    "change the colour to {colour}",
    "change the color to {colour}",
    "change it to {colour}",
    "change the colour of the {item} to {colour}",
    "turn it {colour}",
    "turn the {item} {colour}",
    "recolour it in {colour}",
    "recolor the {item} to {colour}",
    "paint it {colour}",
    "dye the {item} {colour}",
    "it should be {colour}",
    "give it a {colour} colour",
    "the same {item} in {colour}",
    "the {item} in {colour}",
    "in {colour}",
    "{colour}",
    "a {colour} {item}",
    "a {colour} {item}",
    "a photo of a {colour} {item}",
)
BORROW_TEMPLATES = (
    "in the colour of the reference",
    "in the color of the reference",
    "make it the colour of the reference",
    "make the {item} the colour of the reference",
    "use the colour of the reference",
    "use the colour of the second picture",
    "use the color of the second image",
    "take the colour of the second picture",
    "take the colour from the reference",
    "the colour of the other picture",
    "the same colour as the reference",
    "match the colour of the reference",
    "match the reference",
    "make it match the second picture",
    "recolour it like the reference",
    "like the reference",
    "like the second picture",
    "copy the colour of the second picture",
)
KEEP_TEMPLATES = (
    "keep it as it is",
    "keep the {item} as it is",
    "leave it as it is",
    "leave the {item} alone",
    "keep it",
    "change nothing",
    "do not change it",
    "no change",
)


def draw_recolouring(class_name: str, colour: Colour, rng: random.Random) -> str:
    """Draw an instruction that names a colour."""
    return _draw(RECOLOUR_TEMPLATES, class_name, rng.choice(COLOUR_WORDS[colour]), rng)


def draw_borrowing(class_name: str, rng: random.Random) -> str:
    """Draw an instruction to take the reference's colour, without naming it."""
    return _draw(BORROW_TEMPLATES, class_name, "", rng)


def draw_keeping(class_name: str, rng: random.Random) -> str:
    """Draw an instruction to keep the base."""
    return _draw(KEEP_TEMPLATES, class_name, "", rng)


def _draw(templates: tuple[str, ...], class_name: str, colour: str, rng: random.Random) -> str:
    item = rng.choice(SYNONYMS[class_name])
    instruction = with_articles(rng.choice(templates).format(item=item, colour=colour))
    if rng.random() < 0.08:
        instruction = f"please {instruction}"
    return vary_case(instruction, rng)
