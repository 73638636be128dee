"""Body regions that a garment or its detail covers, looked up by the words of a label."""

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
_LOCATION = re.compile(r"\b(?:on|of|in|at|with|without|from|near|under|over|for)\b")
"""Words before a location: what follows says where the detail is, not what it is."""
_REGIONS = {word: regions for regions, words in _WORDS.items() for word in words.split()}


def regions_of(label: str | None) -> Regions:
    """Return the body regions that a label names; without a label, those of a whole garment.

    The last known word decides: "logo" in "shirt logo". In "the logo on the jacket", it is the last
    known word before "on".

    Raises:
        InvalidInputError: it has no known word.
    """
    if label is None or not label.strip():
        return WHOLE_GARMENT
    for phrase in _LOCATION.split(re.sub(r"t[- ]shirt", "tshirt", label.lower())):
        words = re.findall(r"[a-z]+", phrase)
        known = [_REGIONS[word] for word in words if word in _REGIONS]
        if known:
            return known[-1]
    shown = label if len(label) <= _LONGEST_SHOWN else label[:_LONGEST_SHOWN] + "…"
    raise InvalidInputError(
        f"detail_label: {shown!r} names no known garment or detail; use one of these words:"
        f" {', '.join(sorted(_REGIONS))}"
    )
