"""Size limits of a request's head: its target, its headers, and the trailers behind its body."""

from api_gateway.errors import Problem
from api_gateway.settings import ListenerSettings

_MAX_HEADERS = 128
_SEPARATORS_BYTES = len(b": \r\n")


class HeadBudget:
    """Running size of one request's head."""

    def __init__(self, limits: ListenerSettings) -> None:
        self._limits = limits
        self._target_bytes = self._header_bytes = self._num_headers = 0

    def add_target(self, part: bytes) -> None:
        """Count a part of the request's target.

        Raises:
            Problem: 414.
        """
        self._target_bytes += len(part)
        if self._target_bytes > self._limits.max_target_bytes:
            most = self._limits.max_target_bytes
            raise Problem(414, "target_too_long", f"the URL is longer than {most} bytes")

    def add_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer.

        Raises:
            Problem: 431.
        """
        self._num_headers += 1
        self._header_bytes += len(name) + len(value) + _SEPARATORS_BYTES
        if self._num_headers > _MAX_HEADERS:
            raise Problem(431, "too_many_headers", f"there are more than {_MAX_HEADERS} headers")
        if self._target_bytes + self._header_bytes > self._limits.max_head_bytes:
            raise head_too_long(self._limits)


def head_too_long(limits: ListenerSettings) -> Problem:
    """Return the problem of a head that exceeds the limit or never ends."""
    most = limits.max_head_bytes
    return Problem(431, "head_too_long", f"the URL and headers are longer than {most} bytes")
