"""Types of files by their content; a provider's header and file name are never trusted. Pure."""

import re
from dataclasses import dataclass
from typing import BinaryIO

HEAD_BYTES = 512
"""Bytes at the beginning of a file that decide on its type."""
_TAIL_BYTES = 64
_BOX_HEADER_BYTES = 8
_LONG_BOX_HEADER_BYTES = 16
_MAX_BOXES = 100_000
"""A fragmented video has two boxes for every few seconds."""
_NO_VIDEOS = frozenset({b"avif", b"heic", b"heix", b"mif1", b"msf1", b"M4A ", b"M4B ", b"crx "})
"""Major brands of ISO base media files with pictures or sound alone."""
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True)
class FileType:
    """A type of file."""

    content_type: str
    suffix: str

    @property
    def is_video(self) -> bool:
        """True for videos."""
        return self.content_type.startswith("video/")


MP4 = FileType("video/mp4", ".mp4")
WEBM = FileType("video/webm", ".webm")
JSON = FileType("application/json", ".json")
UNKNOWN = FileType("application/octet-stream", ".bin")

_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), FileType("image/png", ".png")),
    (re.compile(rb"\xff\xd8\xff"), FileType("image/jpeg", ".jpg")),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), FileType("image/webp", ".webp")),
    (re.compile(rb"GIF8[79]a"), FileType("image/gif", ".gif")),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), FileType("audio/wav", ".wav")),
    (re.compile(rb"OggS\x00"), FileType("audio/ogg", ".ogg")),
    # An ID3 tag, or the header of a frame: MPEG 1, 2 or 2.5, layer 3, neither bad nor free rate.
    (
        re.compile(rb"ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef]"),
        FileType("audio/mpeg", ".mp3"),
    ),
    (re.compile(rb"PK(\x03\x04|\x05\x06)"), FileType("application/zip", ".zip")),
    (re.compile(rb"glTF\x02\x00\x00\x00"), FileType("model/gltf-binary", ".glb")),
    (re.compile(rb"\x1aE\xdf\xa3.{0,60}?\x42\x82.webm", re.DOTALL), WEBM),
)


def type_of(file: BinaryIO) -> FileType:
    """Return the type of a file; `UNKNOWN` for all but a few. Moves the file's position."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head[4:8] == b"ftyp":
        return UNKNOWN if head[8:12] in _NO_VIDEOS else MP4
    for signature, kind in _SIGNATURES:
        if signature.match(head):
            return kind
    return JSON if _is_like_json(head, file) else UNKNOWN


def is_whole_mp4(file: BinaryIO) -> bool:
    """Return true if an MP4 has its index, and does not end within a box."""
    size_bytes = file.seek(0, 2)
    start, has_index = 0, False
    for _ in range(_MAX_BOXES):
        if size_bytes - start < _BOX_HEADER_BYTES:  # some encoders append a few bytes
            return has_index
        file.seek(start)
        header = file.read(_LONG_BOX_HEADER_BYTES)
        has_index = has_index or header[4:8] == b"moov"
        length = int.from_bytes(header[:4], "big")
        if length == 0:  # the last box: to the end of the file
            return has_index
        if length == 1:
            length = int.from_bytes(header[8:], "big")
        if length < _BOX_HEADER_BYTES or start + length > size_bytes:
            return False
        start += length
    return False


def _is_like_json(head: bytes, file: BinaryIO) -> bool:
    """Return true for text in brackets. It is not parsed, which would need memory and time."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"{", b"[") or _CONTROLS.search(head):
        return False
    end = file.seek(0, 2)
    file.seek(max(0, end - _TAIL_BYTES))
    tail = file.read().rstrip()
    return tail[-1:] == (b"}" if text[:1] == b"{" else b"]")
