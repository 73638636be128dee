"""Structure of PNG, JPEG and WebP files: completeness, and the size of a WebP.

Only lengths and markers are read. Data after the end of the picture is accepted: cameras append
previews and clips there.
"""

import io
import re
import struct
from typing import BinaryIO

_READ_BYTES = 1024 * 1024
_MAX_PARTS = 100_000
"""Maximal number of chunks or segments of a file; no encoder writes that many."""
_MAX_JUNK_BYTES = 64 * 1024
"""Maximal number of bytes between all segments of a JPEG; Pillow reads them one by one."""
_JUNK_BLOCK_BYTES = 4096
_PNG_SIGNATURE_BYTES = 8
_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = 0xDA
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0 to RST7, SOI."""
_VP8L_SIGNATURE = 0x2F
_VP8_START_CODE = b"\x9d\x01\x2a"


def is_complete(file: BinaryIO, kind: str, size_bytes: int) -> bool:
    """Return true if a PNG, JPEG or WebP file is not truncated."""
    match kind:
        case "PNG":
            return _is_png_complete(file, size_bytes)
        case "JPEG":
            file.seek(0)
            return _seek_scan(file) and _has_jpeg_end(file)
        case _:
            file.seek(4)
            (declared,) = struct.unpack("<I", file.read(4))
            return declared + 8 <= size_bytes


def read_webp_size(file: BinaryIO) -> tuple[int, int]:
    """Return width and height from the header of a WebP file.

    Pillow would read the whole file and allocate a canvas before it reports the size.

    Raises:
        ValueError: the first chunk is not one that a WebP file begins with.
    """
    file.seek(12)
    header = file.read(18)
    if len(header) < 18:
        raise ValueError("the header ends too early")
    kind, body = header[:4], header[8:]
    if kind == b"VP8X":
        return _uint24(body[4:7]) + 1, _uint24(body[7:10]) + 1
    if kind == b"VP8L" and body[0] == _VP8L_SIGNATURE:
        (bits,) = struct.unpack("<I", body[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and body[3:6] == _VP8_START_CODE:
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("the first chunk is unknown")


def _uint24(content: bytes) -> int:
    return int.from_bytes(content, "little")


def _is_png_complete(file: BinaryIO, size_bytes: int) -> bool:
    position = _PNG_SIGNATURE_BYTES
    for _ in range(_MAX_PARTS):
        if position + 12 > size_bytes:
            return False
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        position += 12 + length
        if kind == b"IEND":
            return position <= size_bytes
    return False


def _seek_scan(file: BinaryIO) -> bool:
    """Seek to the first scan of a JPEG; return false if there is none.

    Embedded previews, which have end markers of their own, precede it.
    """
    junk_bytes = 0
    for _ in range(_MAX_PARTS):
        skipped = _seek_marker(file, _MAX_JUNK_BYTES - junk_bytes)
        marker = file.read(1)
        if skipped is None or not marker:
            return False
        junk_bytes += skipped
        if marker[0] == _JPEG_SCAN:
            return True
        if marker[0] not in _JPEG_BARE:
            length = file.read(2)
            if len(length) < 2:
                return False
            file.seek(max(0, int.from_bytes(length, "big") - 2), io.SEEK_CUR)
    return False


def _seek_marker(file: BinaryIO, most_bytes: int) -> int | None:
    """Seek to the byte after the next 0xFF that begins a marker, as libjpeg does.

    Skips everything else between segments: other bytes, 0xFF followed by 0, and fill bytes.

    Returns:
        The number of skipped bytes; none if there is no marker within `most_bytes`.
    """
    skipped = 0
    last = b""
    while skipped <= most_bytes:
        block = last + file.read(_JUNK_BLOCK_BYTES if last else 2)
        if found := _MARKER.search(block):
            file.seek(found.end() - 1 - len(block), io.SEEK_CUR)
            return skipped + found.start()
        if len(block) <= len(last):
            return None
        skipped += len(block) - 1
        last = block[-1:]
    return None


def _has_jpeg_end(file: BinaryIO) -> bool:
    """Return true if an end marker follows. Inside a scan, bytes that look like one are escaped."""
    last = b""
    while block := file.read(_READ_BYTES):
        if _JPEG_END in last + block:
            return True
        last = block[-1:]
    return False
