"""Which part of a person a garment or its detail covers, from the words that name it."""

import re

from inference_worker.vision.protocols import BodyRegion
from shared.errors import InvalidInputError

Regions = tuple[BodyRegion, ...]

WHOLE_GARMENT: Regions = (BodyRegion.UPPER_BODY, BodyRegion.LOWER_BODY)
_WORDS: dict[Regions, str] = {
    WHOLE_GARMENT: (
        "garment outfit clothes clothing dress gown jumpsuit overall overalls suit robe kimono"
        " romper pattern fabric texture material"
    ),
    (BodyRegion.UPPER_BODY,): (
        "top shirt tshirt tee blouse sweater sweatshirt jumper pullover hoodie cardigan jacket coat"
        " blazer parka vest waistcoat polo knit sleeve sleeves cuff cuffs"
    ),
    (BodyRegion.TORSO,): (
        "logo logos print prints graphic text label badge patch embroidery collar neckline lapel"
        " button buttons zip zipper pocket pockets corset"
    ),
    (BodyRegion.LOWER_BODY,): (
        "bottom bottoms pants trousers jeans shorts skirt leggings tights chinos joggers"
        " sweatpants belt"
    ),
    (BodyRegion.FEET,): "shoe shoes sneaker sneakers boot boots sandal sandals heels sock socks",
    (BodyRegion.HEAD,): "hat cap beanie headband glasses sunglasses earring earrings",
}
_LONGEST_SHOWN = 60
_WHERE = re.compile(r"\b(?:on|of|in|at|with|without|from|near|under|over|for)\b")
"""What follows says where the detail is, not what it is."""
_REGIONS = {word: regions for regions, words in _WORDS.items() for word in words.split()}


def regions_of(label: str | None) -> Regions:
    """The regions that a label means; without a label, all that garments cover.

    The last word that is known decides, of "shirt logo" the logo; of "the logo on the jacket" it is
    the last one before "on".

    Raises:
        InvalidInputError: no word of it is known.
    """
    if label is None or not label.strip():
        return WHOLE_GARMENT
    for phrase in _WHERE.split(re.sub(r"t[- ]shirt", "tshirt", label.lower())):
        words = re.findall(r"[a-z]+", phrase)
        known = [_REGIONS[word] for word in words if word in _REGIONS]
        if known:
            return known[-1]
    shown = label if len(label) <= _LONGEST_SHOWN else label[:_LONGEST_SHOWN] + "…"
    raise InvalidInputError(
        f"detail_label: where {shown!r} is worn is not known; one of these words says it:"
        f" {', '.join(sorted(_REGIONS))}"
    )
