"""Captions of training pictures: the trigger word, words of file names, a model's replies."""

import re
from pathlib import PurePosixPath

from inference_worker.preprocessing.sources import file_name
from shared.contracts.datasets import CAPTION_MAX_CHARS, Captioning
from shared.contracts.enums import CaptioningStrategy
from shared.contracts.untrusted import clean_text

_PLACEHOLDER = "[trigger]"
_DIGEST = re.compile(r"[0-9a-fA-F]{16,}")
_SEPARATORS = str.maketrans("_-+", "   ")


def first_caption(captioning: Captioning, source: str) -> str:
    """Return the caption of a picture before a model describes it."""
    trigger = one_line(captioning.trigger_word)
    if captioning.strategy is CaptioningStrategy.NONE:
        return ""
    if captioning.strategy is CaptioningStrategy.FILENAME:
        return with_trigger(file_words(source), trigger)
    return trigger


def model_caption(reply: str, trigger_word: str) -> str | None:
    """Return the caption from a model's reply; None: the reply is empty."""
    words = one_line(reply)
    if len(words) > CAPTION_MAX_CHARS:
        words = words[:CAPTION_MAX_CHARS].rstrip()
    return with_trigger(words, one_line(trigger_word)) if words else None


def with_trigger(caption: str, trigger: str) -> str:
    """Return a caption with the trigger word for each `[trigger]`, and in front if absent."""
    caption = one_line(caption.replace(_PLACEHOLDER, trigger))
    if not caption:
        return trigger
    # Scripts without spaces between words: only Latin letters and digits continue a word.
    word = rf"(?<![0-9A-Za-z_]){re.escape(trigger)}(?![0-9A-Za-z_])"
    return caption if re.search(word, caption) else f"{trigger}, {caption}"


def is_unnamed(source: str) -> bool:
    """Return true if a file name is a digest, as of pictures that were sent as base64."""
    stem = PurePosixPath(file_name(source)).stem
    return _DIGEST.fullmatch(stem.replace("-", "")) is not None


def file_words(source: str) -> str:
    """Return the words of a file name; empty: it has none."""
    if is_unnamed(source):
        return ""
    stem = PurePosixPath(file_name(source)).stem.translate(_SEPARATORS)
    return one_line(stem.rstrip(" 0123456789"))


def one_line(text: str) -> str:
    """Return a text with single spaces for all white space, without control characters."""
    printable = "".join(c if c.isprintable() else " " for c in clean_text(text, len(text) + 1))
    return " ".join(printable.split())
