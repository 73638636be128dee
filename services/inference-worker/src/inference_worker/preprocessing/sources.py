"""The source images of a training: their objects, and the rule for those that cannot be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from shared.contracts.datasets import PreprocessDataset, SkippedImage
from shared.contracts.pictures import is_remote
from shared.contracts.untrusted import clean_text
from shared.errors import InvalidInputError

_BAD_SHARE = 0.2
_LABEL_CHARS = 80
_REASON_CHARS = 200
_MOST_NAMED = 5


@dataclass(frozen=True)
class Source:
    """One source image.

    Attributes:
        index: its position in the request.
        name: its name in the request.
        key: of its object; None: it has none.
        fault: the reason why it has none.
    """

    index: int
    name: str
    key: str | None
    fault: str = ""

    @property
    def label(self) -> str:
        """Its position and file name, for people; of a URL, no query, which may hold a secret."""
        return f"image {self.index} ({clean_text(file_name(self.name) or 'a URL', _LABEL_CHARS)})"

    def skipped(self, reason: str) -> SkippedImage:
        """Return its entry among the skipped images."""
        short = clean_text(reason, _REASON_CHARS)
        return SkippedImage(index=self.index, source=self.name, reason=short)


def file_name(source: str) -> str:
    """Return the last part of a key or URL; a URL's is decoded, and may be empty."""
    if not is_remote(source):
        return source.rpartition("/")[2]
    try:
        path = urlsplit(source).path
    except ValueError:
        return ""
    # Object stores' URLs may encode the slashes of a key.
    return unquote(path).rpartition("/")[2]


def locate_sources(request: PreprocessDataset) -> list[Source]:
    """Return the objects of all source images, in order."""
    return [_locate(index, name, request) for index, name in enumerate(request.source_images)]


def first_uses(sources: Sequence[Source]) -> dict[int, int]:
    """Return, by the position of each repeated object, the position of its first use."""
    firsts: dict[str, int] = {}
    found = {each.index: firsts.setdefault(each.key, each.index) for each in sources if each.key}
    return {index: first for index, first in found.items() if index != first}


def _locate(index: int, name: str, request: PreprocessDataset) -> Source:
    if index in request.faults_at:
        return Source(index, name, None, request.faults_at[index])
    if index in request.fetched_at:
        return Source(index, name, request.fetched_at[index])
    if name in request.fetched:
        return Source(index, name, request.fetched[name])
    if is_remote(name):
        return Source(index, name, None, "was not fetched: start the training again")
    return Source(index, name, name)


def require_enough(sources: Sequence[Source], bad: Sequence[SkippedImage]) -> None:
    """Check the share of bad images.

    Raises:
        InvalidInputError: no image is left, or more than a fifth of them (but always one) are bad.
    """
    allowed = max(1, int(_BAD_SHARE * len(sources)))
    if bad and len(bad) == len(sources):
        raise InvalidInputError(f"none of the source images can be used: {name_all(sources, bad)}")
    if not sources:
        raise InvalidInputError("there are no source images; give at least one")
    if len(bad) > allowed:
        raise InvalidInputError(
            f"{len(bad)} of {len(sources)} source images cannot be used, at most {allowed} may"
            f" fail: {name_all(sources, bad)}"
        )


def name_all(sources: Sequence[Source], skipped: Sequence[SkippedImage]) -> str:
    """Return the first few skipped images with their reasons, and the number of the others."""
    first = sorted(skipped, key=lambda each: each.index)[:_MOST_NAMED]
    named = [f"{sources[each.index].label}: {each.reason}" for each in first]
    more = len(skipped) - len(named)
    return "; ".join([*named, f"and {more} more"] if more else named)
