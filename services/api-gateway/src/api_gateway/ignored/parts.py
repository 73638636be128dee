"""The parts of a request that nothing reads, and how they are told: in words and in a header."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.fault_list import MAX_FAULTS, clipped

HEADER = "Sartiq-Ignored"
MAX_NAMES = 20
"""So many are named, in the header and in the record's warnings; the others are counted."""
MAX_HEADER_BYTES = 2048
_LONGEST_PLACE = 120
NO_FIELD = "there is no such field"
NO_PARAMETER = "there is no such parameter"


@dataclass(frozen=True)
class IgnoredPart:
    """One field or parameter that nothing reads.

    Attributes:
        place: where it stands: `("body", "steps", 1, "config", "promt")`.
        nearest: the known one that it may have been meant to be.
        why: why nothing reads it.
    """

    place: tuple[str | int, ...]
    nearest: str | None = None
    why: str = NO_FIELD

    @property
    def path(self) -> str:
        """Its place in one word."""
        return clipped(".".join(map(str, self.place)), _LONGEST_PLACE)

    @property
    def reason(self) -> str:
        """Why nothing reads it, and what would be read."""
        if self.nearest is None:
            return self.why
        return f"{self.why}; the nearest one is `{self.nearest}`"

    @property
    def sentence(self) -> str:
        """What became of it."""
        return f"{self.path} was ignored: {self.reason}."

    @property
    def item(self) -> str:
        """The part as an item of a structured header (RFC 8941), in ASCII."""
        name = f'"{_ascii(self.path)}"'
        return name if self.nearest is None else f'{name};nearest="{_ascii(self.nearest)}"'


def _ascii(text: str) -> str:
    """Return a text with all but harmless ASCII percent-encoded, as in a URL."""
    return quote(text, safe="!#$&'()*+,-./:;<=>?@[]^_`{|}~ ")


@dataclass
class IgnoredParts:
    """What of one request nothing reads.

    Attributes:
        is_strict: the request asks to be refused for it.
        is_judged: its route has looked: an answer may say that it was judged strictly.
    """

    is_strict: bool = False
    is_judged: bool = False
    _parts: list[IgnoredPart] = field(default_factory=list[IgnoredPart])
    _num_unnamed: int = 0

    def note(self, parts: Iterable[IgnoredPart]) -> None:
        """Take down parts that nothing reads.

        Raises:
            InvalidRequestError: the request is to be judged strictly; names each.
        """
        for part in parts:
            if len(self._parts) < (MAX_FAULTS if self.is_strict else MAX_NAMES):
                self._parts.append(part)
            else:
                self._num_unnamed += 1
        if self.is_strict and self._parts:
            faults = [Fault(p.place, p.reason, "unknown_field") for p in self._parts]
            unnamed = Fault(("body",), NO_FIELD, "unknown_field")
            raise InvalidRequestError(faults + [unnamed] * self._num_unnamed)

    @property
    def warnings(self) -> list[str]:
        """One sentence each; a last one counts those that are not named."""
        said = [part.sentence for part in self._parts[:MAX_NAMES]]
        left = len(self._parts) - len(said) + self._num_unnamed
        return [*said, *([f"{left} more fields were ignored."] if left else [])]

    @property
    def header(self) -> str | None:
        """The value of the header; none where everything is read."""
        if not self._parts:
            return None
        items: list[str] = []
        size = 0
        for part in self._parts[:MAX_NAMES]:
            size += len(part.item) + len(", ")
            if size > MAX_HEADER_BYTES - len(";others=") - 10:
                break
            items.append(part.item)
        left = len(self._parts) - len(items) + self._num_unnamed
        return ", ".join(items) + (f";others={left}" if left else "")
