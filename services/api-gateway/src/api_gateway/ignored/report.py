"""The ignored fields of a request, and how they are reported: as warnings and in a header."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.fault_list import MAX_FAULTS, clipped

HEADER = "Sartiq-Ignored"
MAX_NAMES = 20
"""Number of fields named in the header and in a record's warnings; the others are counted."""
MAX_HEADER_BYTES = 2048
_LONGEST_PLACE = 120
NO_FIELD = "there is no such field"
NO_PARAMETER = "there is no such parameter"
NO_KEY = "it is kept, but nothing reads this key"
SET_HERE = "it is set once the work has its id; a given one attaches to nothing"
FIXED = "it cannot be changed here"


@dataclass(frozen=True)
class IgnoredField:
    """One field or parameter that nothing reads.

    Attributes:
        place: its location in the request: `("body", "steps", 1, "config", "promt")`.
        nearest: the known name that it resembles most.
        why: the reason why nothing reads it.
    """

    place: tuple[str | int, ...]
    nearest: str | None = None
    why: str = NO_FIELD

    @property
    def path(self) -> str:
        """The place as dotted text, clipped."""
        return clipped(".".join(map(str, self.place)), _LONGEST_PLACE)

    @property
    def reason(self) -> str:
        """The reason why nothing reads it, and the nearest known name."""
        if self.nearest is None:
            return self.why
        return f"{self.why}; the nearest one is `{self.nearest}`"

    @property
    def sentence(self) -> str:
        """The warning about it."""
        return f"{self.path} was ignored: {self.reason}."

    @property
    def item(self) -> str:
        """The field as an item of a structured header (RFC 8941), in ASCII."""
        name = f'"{_ascii(self.path)}"'
        return name if self.nearest is None else f'{name};nearest="{_ascii(self.nearest)}"'


def _ascii(text: str) -> str:
    """Return a text with all but harmless ASCII percent-encoded, as in a URL."""
    return quote(text, safe="!#$&'()*+,-./:;<=>?@[]^_`{|}~ ")


@dataclass
class IgnoredFields:
    """The ignored fields of one request.

    Attributes:
        is_strict: the request asks to be refused if it has any.
        is_checked: the request was searched, so the response may say that `strict` was applied.
    """

    is_strict: bool = False
    is_checked: bool = False
    _fields: list[IgnoredField] = field(default_factory=list[IgnoredField])
    _num_unnamed: int = 0

    def note(self, fields: Iterable[IgnoredField]) -> None:
        """Add fields that nothing reads.

        Raises:
            InvalidRequestError: the request is strict; names each field.
        """
        for each in fields:
            if len(self._fields) < (MAX_FAULTS if self.is_strict else MAX_NAMES):
                self._fields.append(each)
            else:
                self._num_unnamed += 1
        if self.is_strict and self._fields:
            faults = [Fault(each.place, each.reason, "unknown_field") for each in self._fields]
            unnamed = Fault(("body",), NO_FIELD, "unknown_field")
            raise InvalidRequestError(faults + [unnamed] * self._num_unnamed)

    @property
    def warnings(self) -> list[str]:
        """One sentence per named field; a last one counts the others."""
        sentences = [each.sentence for each in self._fields[:MAX_NAMES]]
        left = len(self._fields) - len(sentences) + self._num_unnamed
        return [*sentences, *([f"{left} more fields were ignored."] if left else [])]

    @property
    def header(self) -> str | None:
        """The value of the header; none if everything is read."""
        if not self._fields:
            return None
        items: list[str] = []
        size = 0
        for each in self._fields[:MAX_NAMES]:
            size += len(each.item) + len(", ")
            if size > MAX_HEADER_BYTES - len(";others=") - 10:
                break
            items.append(each.item)
        left = len(self._fields) - len(items) + self._num_unnamed
        return ", ".join(items) + (f";others={left}" if left else "")
