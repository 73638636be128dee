"""Decoding of untrusted pictures, and deterministic encoding as PNG."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from shared.errors import InvalidInputError
from shared.pixels.images import (
    decode_cutout,
    decode_image,
    decode_with_alpha,
    encode_png,
    sha256_hex,
)
from tests.examples import up_to
from tests.fixtures.icc_profiles import linear_grey

_LIMIT = 89_478_485


def _encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(bits: int, colour_type: int, row: bytes, width: int, *chunks: bytes) -> bytes:
    """Encode one row of raw pixels: Pillow writes neither 2-bit nor 16-bit colours."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0))
    data = _chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + data + _chunk(b"IEND", b"")


def _decode(content: bytes, max_pixels: int = _LIMIT) -> Image.Image:
    return decode_image(content, max_pixels=max_pixels)


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_keep_pixels(
    photo: Image.Image, form: str, options: dict[str, Any]
) -> None:
    decoded = _decode(_encoded(photo, form, **options))
    assert (decoded.mode, decoded.tobytes()) == ("RGB", photo.tobytes())


def test_jpeg_is_read(photo: Image.Image) -> None:
    assert _decode(_encoded(photo, "JPEG")).size == photo.size


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "PNG"), ("P", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG")],
)
def test_every_mode_becomes_rgb(photo: Image.Image, mode: str, form: str) -> None:
    decoded = _decode(_encoded(photo.convert(mode), form))
    assert (decoded.mode, decoded.size) == ("RGB", photo.size)


def test_sixteen_bits_keep_their_brightness() -> None:
    deep = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))
    assert _decode(_encoded(deep, "PNG")).getpixel((0, 0)) == (128, 128, 128)


def test_orientation_is_applied(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = _decode(_encoded(photo, "PNG", exif=exif))
    assert turned.size == (photo.height, photo.width)
    assert turned.tobytes() == photo.transpose(Image.Transpose.ROTATE_270).tobytes()


def test_transparency_becomes_white() -> None:
    image = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    image.putpixel((1, 1), (200, 0, 0, 255))
    flat = _decode(_encoded(image, "PNG"))
    assert flat.getpixel((0, 0)) == (255, 255, 255)
    assert flat.getpixel((1, 1)) == (200, 0, 0)


def test_transparent_palette_becomes_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert _decode(_encoded(image, "PNG", transparency=0)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept_if_requested(photo: Image.Image, mode: str) -> None:
    cutout = photo.convert("RGB")
    cutout.putalpha(photo.convert("L"))
    cutout = cutout.convert(mode)
    kept = decode_with_alpha(_encoded(cutout, "PNG"), max_pixels=_LIMIT)
    assert (kept.mode, kept.tobytes()) == ("RGBA", cutout.convert("RGBA").tobytes())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_opaque_alpha_is_dropped(photo: Image.Image, mode: str) -> None:
    content = _encoded(photo.convert(mode), "PNG")
    assert decode_with_alpha(content, max_pixels=_LIMIT).mode == "RGB"


def test_transparent_grey_of_sixteen_bits_stays_transparent() -> None:
    levels = np.full((4, 4), 0x8000, np.uint16)
    levels[0, 0] = 0x8001
    content = _encoded(Image.fromarray(levels), "PNG", transparency=0x8001)
    kept = decode_with_alpha(content, max_pixels=_LIMIT)
    assert (kept.getpixel((0, 0)), kept.getpixel((1, 1))) == (
        (128,) * 3 + (0,),
        (128,) * 3 + (255,),
    )


def test_deep_colours_keep_their_brightness() -> None:
    levels = np.random.default_rng(0).integers(0, 65_536, 300, np.uint16)
    decoded = _decode(_png(16, 2, levels.astype(">u2").tobytes(), 100))
    assert np.abs(np.asarray(decoded).ravel() - levels / 257).max() <= 1


@pytest.mark.parametrize(
    ("bits", "colour_type", "row", "key"),
    [
        (1, 0, bytes([0b0100_0000]), (1,)),
        (2, 0, bytes([0b0011_0110]), (3,)),
        (2, 0, bytes([0b0001_1011]), (1,)),
        (4, 0, bytes([0x05, 0xF1]), (5,)),
        (8, 0, bytes([1, 9, 2, 3]), (9,)),
        (16, 2, struct.pack(">6H", 0x1234, 0, 0, 0x5678, 0x34, 0xFFFF), (0x5678, 0x34, 0xFFFF)),
        (16, 2, struct.pack(">6H", 0x3434, 0, 0, 0x1234, 0, 0), (0x1234, 0, 0)),
    ],
)
def test_the_transparent_colour_is_the_one_that_the_file_names(
    bits: int, colour_type: int, row: bytes, key: tuple[int, ...]
) -> None:
    """The second pixel has it."""
    named = _chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    content = _png(bits, colour_type, row, 2, named)
    kept = decode_with_alpha(content, max_pixels=_LIMIT)
    assert list(kept.getchannel("A").tobytes()) == [255, 0]


def test_deep_grey_with_alpha_is_read_by_its_grey_profile() -> None:
    profile = _chunk(b"iCCP", b"grey\0\0" + zlib.compress(linear_grey()))
    content = _png(16, 4, struct.pack(">2H", 55 << 8, 0x8000), 1, profile)
    kept = decode_with_alpha(content, max_pixels=_LIMIT)
    assert kept.getpixel((0, 0)) == (128, 128, 128, 128)


def test_first_frame_of_an_animation_is_used(photo: Image.Image) -> None:
    second = Image.new("RGB", photo.size, "red")
    for form in ("PNG", "WEBP"):
        content = _encoded(photo, form, save_all=True, append_images=[second], lossless=True)
        assert _decode(content).tobytes() == photo.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 8000), (8000, 1)])
def test_thin_pictures_are_read(size: tuple[int, int]) -> None:
    assert _decode(_encoded(Image.new("L", size, 9), "PNG")).size == size


_XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_orientation_in_xmp_alone_is_not_applied(photo: Image.Image, kind: str) -> None:
    assert _decode(_encoded(photo, kind, xmp=_XMP)).size == photo.size


@pytest.mark.parametrize("key", ["XML:com.adobe.xmp", "Raw profile type exif"])
def test_orientation_in_a_pngs_text_is_not_applied(photo: Image.Image, key: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes()
    text = PngInfo()
    text.add_itxt(key, _XMP.decode() if "xmp" in key else f"\nexif\n{len(raw)}\n{raw.hex()}\n")
    assert _decode(_encoded(photo, "PNG", pnginfo=text)).size == photo.size


@pytest.mark.parametrize("junk", [b"\x12\x34\x56\0", b"\xff\0\xff\xff", b"\0" * 60_000])
def test_junk_between_a_jpegs_segments_is_skipped(photo: Image.Image, junk: bytes) -> None:
    content = _encoded(photo, "JPEG")
    end = 4 + int.from_bytes(content[4:6], "big")  # of the first segment
    assert _decode(content[:end] + junk + content[end:]).tobytes() == _decode(content).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_in_exif_is_applied(
    photo: Image.Image, kind: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = _encoded(photo, kind, exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    assert _decode(content).tobytes() == expected.tobytes()


def test_exif_behind_a_pngs_pixels_is_not_applied(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = _encoded(photo, "PNG", exif=exif)
    begin = content.index(b"eXIf") - 4
    end = begin + 12 + int.from_bytes(content[begin : begin + 4], "big")
    last = content.rindex(b"IEND") - 4
    moved = content[:begin] + content[end:last] + content[begin:end] + content[last:]
    assert _decode(moved).tobytes() == photo.tobytes()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0nonsense", b"x"])
def test_unreadable_orientation_is_ignored(photo: Image.Image, exif: bytes) -> None:
    assert _decode(_encoded(photo, "PNG", exif=exif)).tobytes() == photo.tobytes()


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(photo: Image.Image, form: str) -> None:
    with pytest.raises(InvalidInputError, match="PNG, JPEG, WEBP"):
        _decode(_encoded(photo, form))


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_garbage_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        _decode(content)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_truncated_pictures_are_refused(photo: Image.Image, form: str) -> None:
    content = _encoded(photo, form)
    with pytest.raises(InvalidInputError):
        _decode(content[: len(content) // 2])


@pytest.mark.parametrize("damage", [b"\xff\xfe\xfd\xfc", b"IDAT"])  # the latter of wrong data
def test_damage_is_described_in_plain_words(damage: bytes, photo: Image.Image) -> None:
    whole = _encoded(photo, "PNG")
    begin, end = whole.index(b"IDAT") + 4, whole.index(b"IEND") - 8
    half = (begin + end) // 2
    parts = _chunk(b"IDAT", whole[begin:half]), _chunk(damage, b"\0\1\2" * 99)
    broken = whole[: begin - 8] + b"".join(parts) + whole[end + 4 :]
    with pytest.raises(InvalidInputError) as caught:
        _decode(broken)
    assert str(caught.value) == "the picture cannot be read as PNG, JPEG, WEBP: it is damaged"
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("size", [(10_000, 10_000), (60_000, 60_000)])
def test_pillows_decompression_bomb_is_reported_as_too_many_pixels(size: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"")
    with pytest.raises(InvalidInputError) as caught:
        _decode(content)
    assert str(caught.value) == "the picture has too many pixels; at most 89478485 are read"


def test_too_many_pixels_are_refused_by_the_header(photo: Image.Image) -> None:
    with pytest.raises(InvalidInputError, match="at most 6911"):
        _decode(_encoded(photo, "PNG"), max_pixels=96 * 72 - 1)
    assert _decode(_encoded(photo, "PNG"), max_pixels=96 * 72).size == photo.size


@pytest.mark.parametrize("side", [9_460, 20_000])
def test_bomb_is_refused_without_decoding(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0"))
    with pytest.raises(InvalidInputError, match="pixels"):
        _decode(bomb)


def test_png_is_deterministic_lossless_and_bare(photo: Image.Image) -> None:
    marked = photo.copy()
    marked.info["dpi"] = (72, 72)
    marked.info["icc_profile"] = b"profile"
    content = encode_png(marked)
    assert content == encode_png(photo)
    assert _decode(content).tobytes() == photo.tobytes()
    assert sha256_hex(content) == sha256_hex(encode_png(photo))


def _cutout(content: bytes, max_pixels: int = _LIMIT) -> Image.Image:
    return decode_cutout(content, max_pixels=max_pixels)


def _half_hidden(hidden: tuple[int, int, int], size: int = 32) -> Image.Image:
    """Draw blue at the left, and a hidden colour under transparent pixels at the right."""
    image = Image.new("RGBA", (size, size), (*hidden, 0))
    image.paste((0, 0, 200, 255), (0, 0, size // 2, size))
    return image


def _is_blue(image: Image.Image) -> bool:
    """Return whether the colour is blue, up to rounding, at any alpha."""
    return bool(np.allclose(np.asarray(image)[..., :3], (0, 0, 200), atol=2))


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_cutout_keeps_alpha_and_visible_colours(form: str, options: dict[str, Any]) -> None:
    image = _half_hidden((255, 0, 255))
    decoded = _cutout(_encoded(image, form, **options))
    assert decoded.mode == "RGBA"
    assert decoded.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    seen = (0, 0, 16, 32)
    assert decoded.crop(seen).tobytes() == image.crop(seen).tobytes()


def test_hidden_colours_have_no_effect() -> None:
    magenta, black = (
        _cutout(_encoded(_half_hidden(colour), "PNG")) for colour in ((255, 0, 255), (0, 0, 0))
    )
    assert magenta.tobytes() == black.tobytes()
    assert _is_blue(magenta)


def test_edges_show_no_hidden_colour_when_resized_without_their_alpha() -> None:
    cutout = _cutout(_encoded(_half_hidden((255, 0, 255)), "PNG"))
    assert _is_blue(cutout.convert("RGB").resize((7, 7)))


def test_nothing_visible_is_painted_on_white() -> None:
    decoded = _cutout(_encoded(Image.new("RGBA", (5, 3), (9, 9, 9, 0)), "PNG"))
    assert decoded.getcolors() == [(15, (255, 255, 255, 0))]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
def test_cutout_of_an_opaque_picture_is_plain(photo: Image.Image, mode: str) -> None:
    content = _encoded(photo.convert(mode), "PNG")
    decoded = _cutout(content)
    assert (decoded.mode, decoded.tobytes()) == ("RGB", _decode(content).tobytes())


def test_cutout_of_every_kind_of_transparency() -> None:
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 2), 1)
    grey = Image.new("LA", (4, 4), (7, 0))
    grey.putpixel((1, 2), (7, 255))
    key = Image.new("RGB", (4, 4), (1, 2, 3))
    key.putpixel((1, 2), (40, 50, 60))
    for content in (
        _encoded(palette, "PNG", transparency=0),
        _encoded(grey, "PNG"),
        _encoded(key, "PNG", transparency=(1, 2, 3)),
    ):
        alpha = _cutout(content).getchannel("A")
        assert alpha.getbbox() == (1, 2, 2, 3)


def test_cutout_is_turned_upright_with_its_alpha() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = _half_hidden((0, 0, 0)).crop((0, 0, 32, 8))
    turned = _cutout(_encoded(image, "PNG", exif=exif)).getchannel("A")
    assert turned.size == (8, 32)
    assert turned.getbbox() == (0, 0, 8, 16)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_garbage_is_refused_as_a_cutout(content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        _cutout(content)


def test_cutout_with_too_many_pixels_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="at most 1023"):
        _cutout(_encoded(_half_hidden((0, 0, 0)), "PNG"), max_pixels=32 * 32 - 1)


@settings(max_examples=up_to(50))
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**32 - 1),
)
def test_cutout_of_any_picture_keeps_visible_colours(size: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (*size, 4), np.uint8)
    pixels[..., 3] = rng.choice(np.array([0, 0, 1, 128, 254, 255], np.uint8), size)
    decoded = np.asarray(_cutout(_encoded(Image.fromarray(pixels), "PNG")).convert("RGBA"))
    assert (decoded[..., 3] == pixels[..., 3]).all()
    seen = pixels[..., 3] > 0
    assert (decoded[seen] == pixels[seen]).all()
