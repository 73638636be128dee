"""Captions for coloured garments, in many wordings, so that prompts of any form work."""

import random

from training_worker.swatch.colouring import Colour

SYNONYMS: dict[str, tuple[str, ...]] = {
    "t-shirt": ("t-shirt", "t-shirt", "tee", "top"),
    "trousers": ("trousers", "trousers", "pants", "jeans"),
    "pullover": ("pullover", "sweater", "jumper"),
    "dress": ("dress", "dress", "dress", "gown"),
    "coat": ("coat", "coat", "jacket"),
    "sandal": ("sandal", "sandals"),
    "shirt": ("shirt", "shirt", "blouse"),
    "sneaker": ("sneaker", "sneakers", "trainer", "sports shoe"),
    "bag": ("bag", "bag", "handbag"),
    "ankle boot": ("ankle boot", "boot", "boots"),
}
"""Words for each class; a repeated word is drawn more often."""

COLOUR_WORDS: dict[Colour, tuple[str, ...]] = {
    **{colour: (colour.value,) for colour in Colour},
    Colour.PURPLE: ("purple", "purple", "violet"),
    Colour.GREY: ("grey", "gray"),
}

TEMPLATES = (
    "a {item}",
    "a {item}",
    "{item}",
    "the {item}",
    "a photo of a {item}",
    "a picture of a {item}",
    "a fashion photo of a {item}",
    "product photo of a {item}",
    "studio photo of a {item}",
    "professional fashion photography of a {item}",
    "fashion model with a {item}",
)
WORN_TEMPLATES = (
    "fashion model wearing {item}",
    "a fashion model wearing a {item}",
    "a woman wearing a {item}",
    "a man in a {item}",
    "a model in a {item}",
)
DETAIL_TEMPLATES = (
    "a detail of a {item}",
    "close-up of a {item}",
    "detail of {colour} fabric",
    "close-up of {colour} fabric",
    "a {item}",
    "",
    "",
)
ADJECTIVES = (
    "elegant",
    "casual",
    "modern",
    "vintage",
    "summer",
    "winter",
    "silk",
    "cotton",
    "denim",
    "leather",
    "long",
    "short",
    "beautiful",
    "stylish",
    "classic",
    "new",
    "simple",
    "luxury",
    "evening",
    "flowing",
)
SUFFIXES = (
    "on a white background",
    "studio lighting",
    "high quality",
    "full body",
    "on a light background",
    "detailed",
    "in the city",
    "catalogue photo",
)
_PLURALS = frozenset({"trousers", "pants", "jeans", "sandals", "sneakers", "boots"})
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def draw_caption(class_name: str, colour: Colour, rng: random.Random) -> str:
    """Draw a caption of a whole garment; 12 % omit the colour, 6.5 % are empty."""
    if rng.random() < 0.065:
        return ""
    item = _draw_item(class_name, colour if rng.random() < 0.88 else None, rng)
    templates = TEMPLATES if class_name == "bag" else TEMPLATES + WORN_TEMPLATES
    caption = with_articles(rng.choice(templates).format(item=item))
    if rng.random() < 0.15:
        caption = f"{caption}, {rng.choice(SUFFIXES)}"
    return vary_case(caption, rng)


def draw_detail_caption(class_name: str, colour: Colour, rng: random.Random) -> str:
    """Draw a caption of a zoomed crop, in which the garment may not be recognisable."""
    item = _draw_item(class_name, colour, rng)
    template = rng.choice(DETAIL_TEMPLATES)
    caption = template.format(item=item, colour=rng.choice(COLOUR_WORDS[colour]))
    return vary_case(with_articles(caption), rng)


def _draw_item(class_name: str, colour: Colour | None, rng: random.Random) -> str:
    words = [rng.choice(SYNONYMS[class_name])]
    if colour is not None:
        words.insert(0, rng.choice(COLOUR_WORDS[colour]))
    if rng.random() < 0.3:
        # Sometimes an invented word, so that the model learns to ignore unknown words.
        invented = "".join(rng.choices(_LETTERS, k=rng.randint(3, 7)))
        adjective = invented if rng.random() < 0.15 else rng.choice(ADJECTIVES)
        words.insert(rng.randrange(len(words)), adjective)
    return " ".join(words)


def with_articles(caption: str) -> str:
    """Write `an` before a vowel, and drop `a` before a plural."""
    words = caption.split(" ")
    if words[-1] in _PLURALS:
        last_article = max((i for i, word in enumerate(words) if word == "a"), default=None)
        # "a photo of trousers" keeps its first article: only one after "of" or a verb is dropped.
        if last_article is not None and "of" not in words[last_article:]:
            del words[last_article]
    followers = [*words[1:], ""]
    return " ".join(
        "an" if word == "a" and follower[:1] in set("aeiou") else word
        for word, follower in zip(words, followers, strict=True)
    )


def simple_prompt(colour: Colour, class_name: str) -> str:
    """Return the plain prompt for a garment, as used in the evaluation: `a red dress`."""
    return with_articles(f"a {colour.value} {class_name}")


def vary_case(caption: str, rng: random.Random) -> str:
    """Capitalise the first word sometimes, and rarely every word."""
    chance = rng.random()
    if chance < 0.15:
        return caption[:1].upper() + caption[1:]
    return caption.title() if chance < 0.2 else caption


def vocabulary() -> list[str]:
    """Return every word of the captions, sorted, without invented ones."""
    texts = [*TEMPLATES, *WORN_TEMPLATES, *DETAIL_TEMPLATES, *ADJECTIVES, *SUFFIXES, "an"]
    texts += [word for words in SYNONYMS.values() for word in words]
    texts += [word for words in COLOUR_WORDS.values() for word in words]
    words = {word for text in texts for word in text.split() if "{" not in word}
    return sorted(words)
