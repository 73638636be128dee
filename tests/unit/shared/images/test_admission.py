"""Pictures are admitted by content; wrong types, bombs and truncated files are refused."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.images.admission import (
    AdmittedImage,
    ImageRefusedError,
    ImageTooLargeError,
    UnsupportedImageError,
    admit_image,
    admit_image_file,
)

MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 89_478_485


def admit(content: bytes, *, max_bytes: int = MAX_BYTES) -> AdmittedImage:
    return admit_image(content, max_bytes=max_bytes, max_pixels=MAX_PIXELS)


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **options: object):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def rotated_photo() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", exif=exif)


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(*before_data: bytes, width: int = 8, height: int = 8) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    # Admission reads headers only: a large size need not have its pixels.
    data = chunk(b"IDAT", zlib.compress(b"\0" * (min(width, 1000) + 1) * min(height, 8)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before_data) + data + chunk(b"IEND", b"")


def webp(width: int, height: int) -> bytes:
    """A header that declares a canvas, without any data after it."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + sides
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_of(width: int, height: int) -> bytes:
    content = bytearray(picture("JPEG"))
    frame = content.index(b"\xff\xc0") + 5
    content[frame : frame + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def jpeg_with(junk: bytes) -> bytes:
    """A JPEG with junk after every segment before the scan."""
    content = picture("JPEG")
    made, position = b"\xff\xd8", 2
    while content[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        made += content[position:end] + (junk if position == 2 or len(junk) < 100 else b"")
        position = end
    return made + content[position:]


ADMITTED: dict[str, tuple[Callable[[], bytes], str]] = {
    "png": (lambda: picture("PNG"), "image/png"),
    "grey png": (lambda: picture("PNG", "L"), "image/png"),
    "16 bit png": (lambda: picture("PNG", "I;16"), "image/png"),
    "palette png": (lambda: picture("PNG", "P"), "image/png"),
    "transparent png": (lambda: picture("PNG", "RGBA"), "image/png"),
    "animated png": (lambda: animation("PNG"), "image/png"),
    "jpeg": (lambda: picture("JPEG"), "image/jpeg"),
    "cmyk jpeg": (lambda: picture("JPEG", "CMYK"), "image/jpeg"),
    "progressive jpeg": (lambda: picture("JPEG", progressive=True), "image/jpeg"),
    "rotated jpeg": (rotated_photo, "image/jpeg"),
    "jpeg of several pictures": (lambda: animation("MPO"), "image/jpeg"),
    "jpeg with fill bytes": (lambda: b"\xff\xd8\xff\xff" + picture("JPEG")[2:], "image/jpeg"),
    "jpeg with junk between segments": (lambda: jpeg_with(b"\x12\x34\x56\x00"), "image/jpeg"),
    "jpeg with escaped junk": (lambda: jpeg_with(b"\xff\x00\xff\xff\x00ab\xff"), "image/jpeg"),
    "jpeg with much junk": (lambda: jpeg_with(b"\0" * 60_000), "image/jpeg"),
    "jpeg with a clip behind it": (lambda: picture("JPEG") + b"\0" * 5000, "image/jpeg"),
    "lossy webp": (lambda: picture("WEBP"), "image/webp"),
    "lossless webp": (lambda: picture("WEBP", lossless=True), "image/webp"),
    "transparent webp": (lambda: picture("WEBP", "RGBA"), "image/webp"),
    "animated webp": (lambda: animation("WEBP"), "image/webp"),
}


@pytest.mark.parametrize("name", ADMITTED)
def test_supported_formats_are_admitted_with_type_and_size(name: str) -> None:
    make, content_type = ADMITTED[name]

    found = admit(make())

    assert (found.content_type, found.width, found.height) == (content_type, 40, 30)
    assert found.content_type == f"image/{found.extension}"


UNSUPPORTED: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello, this is no picture at all",
    "svg under the name of png": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "gif": picture("GIF"),
    "tiff": picture("TIFF"),
    "bmp": picture("BMP"),
    "pdf": b"%PDF-1.7\n" + b"\0" * 100,
    "gif in front of a png": b"GIF89a" + picture("PNG"),
    "zip in front of a png": b"PK\x03\x04" + picture("PNG"),
    "script in front of a jpeg": b"#!/bin/sh\n" + picture("JPEG"),
    "riff that is sound": b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40,
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_other_formats_and_polyglots_are_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedImageError, match="PNG, JPEG or WebP"):
        admit(UNSUPPORTED[name])


TOO_MANY_PIXELS: dict[str, bytes] = {
    "png": png(width=30_000, height=30_000),
    "png just above Pillow's bound": png(width=9_460, height=9_460),
    "png in one line": png(width=2**31 - 1, height=1),
    "jpeg": jpeg_of(65_000, 65_000),
    "jpeg just above Pillow's bound": jpeg_of(9_460, 9_460),
    "webp": webp(16_384, 16_384),
    "webp just above Pillow's bound": webp(9_460, 9_460),
}


@pytest.mark.parametrize("warning", ["error", "ignore"])
@pytest.mark.parametrize("name", TOO_MANY_PIXELS)
def test_pixel_bombs_are_refused_from_the_header(
    name: str, warning: Literal["error", "ignore"]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(warning)
        with pytest.raises(ImageRefusedError, match="pixels"):
            admit(TOO_MANY_PIXELS[name])


TEXT_BOMB = zlib.compress(b"\0" * (2 * 1024 * 1024))
LONG_TEXT = zlib.compress(b"\0" * (1024 * 1024 - 1))
DAMAGED: dict[str, bytes] = {
    "png with a text bomb": png(chunk(b"zTXt", b"Comment\0\0" + TEXT_BOMB)),
    "png with an international text bomb": png(chunk(b"iTXt", b"Comment\0\x01\0\0\0" + TEXT_BOMB)),
    "png with 70 MiB of text": png(*[chunk(b"zTXt", b"k\0\0" + LONG_TEXT)] * 70),
    "png with a colour profile bomb": png(
        chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * (20 * 1024 * 1024)))
    ),
    "png without a header": b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""),
    "png with a short header": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", b"\0" * 4)
    + chunk(b"IEND", b""),
    "png without pixels": png(width=0, height=8),
    "jpeg without a frame": b"\xff\xd8\xff\xda\x00\x02\xff\xd9",
    "jpeg with more junk than picture": jpeg_with(b"\0" * 70_000),
    "jpeg of junk alone": b"\xff\xd8\xff\xe0\0\2" + b"\xff\0" * 2_000_000 + b"\xff\xd9",
    "webp without pixels": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8 " + b"\0" * 20,
    "webp of an unknown chunk": b"RIFF" + struct.pack("<I", 22) + b"WEBPJUNK" + b"\0" * 20,
    "png of too many chunks": png(chunk(b"tEXt", b"a\0b") * 100_000),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_pictures_and_metadata_bombs_are_refused(name: str) -> None:
    with pytest.raises(ImageRefusedError, match=r"damaged|truncated|no pixels"):
        admit(DAMAGED[name])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@given(share=st.floats(0, 0.999))
def test_truncated_picture_is_refused(kind: str, share: float) -> None:
    whole = picture(kind)
    with pytest.raises(ImageRefusedError):
        admit(whole[: int(len(whole) * share)])


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x10\0\0\0WEBP"]), st.binary())
def test_random_bytes_after_a_signature_are_refused(magic: bytes, noise: bytes) -> None:
    with pytest.raises(ImageRefusedError):
        admit(magic + noise)


def test_too_many_bytes_are_refused() -> None:
    content = picture("PNG")
    assert admit(content, max_bytes=len(content))
    with pytest.raises(ImageTooLargeError, match=f"larger than {len(content) - 1} bytes"):
        admit(content, max_bytes=len(content) - 1)


def test_file_is_admitted_in_place_and_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(picture("JPEG"))
    with path.open("rb") as file:
        file.seek(100)
        assert admit_image_file(file, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS).width == 40
        assert file.seek(0) == 0
