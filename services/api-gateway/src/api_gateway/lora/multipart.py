"""Streaming reader of an upload's form: the file is written to disk and hashed as it arrives.

FastAPI would parse the form before it resolves the caller, and would spool every part. Here the
caller is known first, the file's name is checked before its bytes, and memory use is constant.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from api_gateway.errors import Fault, InvalidRequestError, Problem

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # exists for type checkers alone

_FLUSH_BYTES = 1024 * 1024
_MAX_FIELD_BYTES = 4096
_MAX_PARTS = 32
_MAX_REST_BYTES = 1024 * 1024
"""Maximum size of a form without its file."""
_MAX_BOUNDARY_BYTES = 70  # RFC 2046


@dataclass(frozen=True)
class ReceivedFile:
    """The form's one file, on disk."""

    path: Path
    filename: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ReceivedForm:
    """A form with a file; unknown fields are in `fields` as well."""

    file: ReceivedFile
    fields: dict[str, str]


async def receive_form(
    request: Request, target: Path, *, max_bytes: int, check_filename: Callable[[str], object]
) -> ReceivedForm:
    """Read a multipart form, and write its part `file` to a path.

    Args:
        request: the request, of which nothing has been read.
        target: path of the file; the caller removes it.
        max_bytes: largest file.
        check_filename: raises if a file of that name is not accepted.

    Raises:
        InvalidRequestError: the form is malformed or has no file.
        Problem: 413, the file is too large; 415, the request is no multipart form.
    """
    parts = _Parts(max_bytes, check_filename)
    parts.check_body_size(_declared_bytes(request))
    parser = MultipartParser(_boundary(request), parts.callbacks())
    digest, body_bytes = hashlib.sha256(), 0
    with await asyncio.to_thread(target.open, "wb") as file:

        def flush(pending: bytes) -> None:
            file.write(pending)
            digest.update(pending)

        try:
            async for chunk in request.stream():
                body_bytes += len(chunk)
                parts.check_body_size(body_bytes)
                parser.write(chunk)
                if len(parts.pending) >= _FLUSH_BYTES:
                    await asyncio.to_thread(flush, parts.take())
        except FormParserError as error:
            raise _fault("is not well-formed multipart/form-data") from error
        except ClientDisconnect as error:
            raise Problem(400, "disconnected", "the request ended before its body did") from error
        await asyncio.to_thread(flush, parts.take())
    if not parts.is_complete:
        raise _fault("is not well-formed multipart/form-data: its last boundary is missing")
    if parts.filename is None:
        raise _fault("Field required", "file", kind="missing")
    received = ReceivedFile(target, parts.filename, parts.file_bytes, digest.hexdigest())
    return ReceivedForm(received, parts.texts())


def _declared_bytes(request: Request) -> int:
    declared = request.headers.get("content-length", "")
    return int(declared) if re.fullmatch(r"[0-9]{1,18}", declared) else 0


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise Problem(415, "unsupported_media_type", "send the file as multipart/form-data")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= _MAX_BOUNDARY_BYTES:
        raise _fault(f"must have a boundary of 1 to {_MAX_BOUNDARY_BYTES} bytes")
    return boundary


def _fault(message: str, *loc: str, kind: str = "value_error") -> InvalidRequestError:
    return InvalidRequestError([Fault(("body", *loc), message, kind)])


@dataclass
class _Parts:
    """The parts of the form that the parser has found so far."""

    max_bytes: int
    check_filename: Callable[[str], object]
    pending: bytearray = field(default_factory=bytearray)
    """Bytes of the file that are not written yet."""
    file_bytes: int = 0
    filename: str | None = None
    is_complete: bool = False
    _fields: dict[str, bytearray] = field(default_factory=dict[str, bytearray])
    _count: int = 0
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""
    _current: str = ""
    """The field that is being read; empty: the file, or an ignored part."""
    _is_file: bool = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }

    def check_body_size(self, size_bytes: int) -> None:
        """Check the size of the whole form, ignored parts included."""
        if size_bytes > self.max_bytes + _MAX_REST_BYTES:
            raise self._too_large()

    def take(self) -> bytes:
        """Return the bytes to be written next."""
        taken = bytes(self.pending)
        self.pending.clear()
        return taken

    def texts(self) -> dict[str, str]:
        """Return the text fields."""
        try:
            return {name: value.decode() for name, value in self._fields.items()}
        except UnicodeDecodeError as error:
            raise _fault("has a field that is not text in UTF-8") from error

    def _on_part_begin(self) -> None:
        self._count += 1
        if self._count > _MAX_PARTS:
            raise _fault(f"has more than {_MAX_PARTS} parts")
        self._disposition, self._current, self._is_file = b"", "", False

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode(errors="replace")
        filename = options.get(b"filename")
        if name == "file":
            self._begin_file(filename)
        elif name and filename is None:
            if name in self._fields:
                raise _fault("is given twice", name)
            self._current = name
            self._fields[name] = bytearray()

    def _begin_file(self, filename: bytes | None) -> None:
        if self.filename is not None:
            raise _fault("is given twice; upload one file at a time", "file")
        if not filename:
            raise _fault("must be a file with a file name", "file")
        try:
            name = filename.decode()
        except UnicodeDecodeError as error:
            raise _fault("must have a file name in UTF-8", "file") from error
        self.check_filename(name)
        self.filename, self._is_file = name, True

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.file_bytes += end - start
            if self.file_bytes > self.max_bytes:
                raise self._too_large()
            self.pending += data[start:end]
        elif self._current:
            value = self._fields[self._current]
            value += data[start:end]
            if len(value) > _MAX_FIELD_BYTES:
                raise _fault(f"is longer than {_MAX_FIELD_BYTES} bytes", self._current)

    def _too_large(self) -> Problem:
        return Problem(413, "too_large", f"file: is larger than {self.max_bytes} bytes")

    def _on_end(self) -> None:
        self.is_complete = True
