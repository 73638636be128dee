"""Pictures in base64: all variants are decoded, and invalid ones are refused with a reason."""

import base64
import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.images import inline
from shared.images.admission import ImageRefusedError, ImageTooLargeError
from shared.images.inline import decode_base64_image

_MAX_BYTES = 50 * 1024 * 1024
_PNG = "data:image/png;base64,"
_HEADERS = (
    "",
    _PNG,
    "data:;base64,",
    "DATA:IMAGE/PNG;BASE64,",
    "data: image/png; base64,",
    "data:image/svg+xml;charset=utf-8;base64,",
    "\n data:image/x;base64,",
)


def _spelt(content: bytes, header: str, spellings: list[Callable[[str], str]]) -> str:
    text = base64.b64encode(content).decode()
    for spelling in spellings:
        text = spelling(text)
    return header + text


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "mime": lambda text: "\r\n".join(text[n : n + 76] for n in range(0, len(text), 76)),
    "pem": lambda text: "\n".join(text[n : n + 64] for n in range(0, len(text), 64)) + "\n",
    "url-safe": lambda text: text.translate(str.maketrans("+/", "-_")),
    "unpadded": lambda text: text.replace("=", ""),
    "half padded": lambda text: text.replace("==", "="),
    "blank before": lambda text: f" {text}",
    "blank behind": lambda text: f"{text} \t",
    "blank before its padding": lambda text: text.replace("=", " =", 1),
}


@given(
    st.binary(max_size=300),
    st.sampled_from(_HEADERS),
    st.lists(st.sampled_from(sorted(_SPELLINGS)), unique=True),
)
def test_every_base64_variant_is_decoded(content: bytes, header: str, spellings: list[str]) -> None:
    value = _spelt(content, header, [_SPELLINGS[name] for name in spellings])
    assert decode_base64_image(value, len(content)) == content


@given(st.binary(max_size=100))
def test_percent_escaped_data_urls_are_decoded(content: bytes) -> None:
    text = base64.b64encode(content).decode()
    for letter, escape in (("+", "%2B"), ("/", "%2f"), ("=", "%3D")):
        text = text.replace(letter, escape)
    assert decode_base64_image(f"{_PNG}{text}%0A", len(content)) == content


_ESCAPED = {"+": "%2B", "/": "%2f", "=": "%3d", "\n": "%0D%0a", "-": "%2D", "_": "%5F", " ": "%20"}


@given(
    st.binary(max_size=60),
    st.lists(st.sampled_from(sorted(_SPELLINGS)), unique=True),
    st.integers(3, 20),
)
def test_escapes_at_any_piece_boundary_are_decoded(
    content: bytes, spellings: list[str], piece: int
) -> None:
    value = _spelt(content, "", [_SPELLINGS[name] for name in spellings])
    escaped = "".join(_ESCAPED.get(letter, letter) for letter in value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inline, "_PIECE_CHARACTERS", piece)
        assert decode_base64_image(_PNG + escaped, len(content)) == content


@pytest.mark.parametrize("place", [-3, -2, -1, 0])
def test_escapes_between_pieces_of_a_megabyte(place: int) -> None:
    letters = "A" * (2**20 + place)
    rest = "A" * (3 - place)
    value = f"{_PNG}{letters}%2B{rest}"
    assert decode_base64_image(value, 2**20) == base64.b64decode(f"{letters}+{rest}")


def test_an_escaped_text_of_any_length_is_not_unescaped() -> None:
    with pytest.raises(ImageTooLargeError, match="larger than 100 bytes"):
        decode_base64_image(_PNG + "%0A" * 10_000, 100)
    with pytest.raises(ImageTooLargeError):
        decode_base64_image(_PNG + "%2B" * 137, 100)
    assert len(decode_base64_image(_PNG + "%2B" * 132, 100)) == 99


def test_unescaped_percent_signs_are_refused() -> None:
    with pytest.raises(ImageRefusedError, match="'%', is not in the alphabet"):
        decode_base64_image(f"{_PNG}aGkA%0%20A", _MAX_BYTES)


@pytest.mark.parametrize("extra", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("spelling", ["mime", "url-safe", "unpadded", "blank before"])
def test_large_pictures_are_decoded(extra: int, spelling: str) -> None:
    """Decoding works in pieces, which end at any character."""
    content = (bytes(range(256)) * 6145)[: 2 * 3 * 256 * 1024 + extra]
    for header in ("", _PNG):
        value = _spelt(content, header, [_SPELLINGS[spelling]])
        assert decode_base64_image(value, len(content)) == content


@given(st.integers(0, 300), st.integers(1, 300), st.sampled_from(sorted(_SPELLINGS)))
def test_size_is_limited_to_the_byte_before_decoding(size: int, limit: int, spelling: str) -> None:
    value = _spelt(b"x" * size, "", [_SPELLINGS[spelling]])
    if size <= limit:
        assert len(decode_base64_image(value, limit)) == size
    else:
        with pytest.raises(ImageTooLargeError):
            decode_base64_image(value, limit)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("data:text/html;base64,aGk=", "text/html; its type must be image"),
        ("data:application/octet-stream;base64,aGk=", "must be image"),
        ("data:image/png,hello", "not in base64"),
        ("data:image/png;base64", "not a data URL"),
        ("data:" + ";a=b" * 1000 + ";base64,aGk=", "not a data URL"),
        (f"{_PNG}not base64!", r"data URL whose data is not base64: its character 11, '!'"),
        (f"{_PNG}%41", "'%', is not in the alphabet"),
        ("aGk%3D", "'%', is not in the alphabet"),
        ("aGkaG", "nor a data URL: it ends within a byte, after 5 characters"),
        ("aGk=aGk=", "after its padding"),
        ("A" * (2**20 - 2) + "==AAAA", "after its padding"),
        ("=" * 2**22 + " \n" + "A", "after its padding"),
        ("=" * 2**22, "too much padding"),
        ("A" * 2**20 + "===", "too much padding"),
        ("aGk==", "too much padding"),
        ("A" * 2**20 + "AA!A", "its character 1048579, '!', is not in the alphabet"),
        ("uploads/nobody.png", r"stored picture .*: its character 15, '\.', is not"),
        ("aé", r"its character 2, '\\xe9', is not in the alphabet of base64"),
        ("aGk\u00a0", r"'\\xa0', is not in the alphabet"),
        ("aGk\0", r"'\\x00', is not in the alphabet"),
    ],
)
def test_error_names_the_cause(value: str, message: str) -> None:
    with pytest.raises(ImageRefusedError, match=message):
        decode_base64_image(value, _MAX_BYTES)


@given(st.text(max_size=100))
def test_any_text_is_decoded_or_refused(value: str) -> None:
    with contextlib.suppress(ImageRefusedError):
        assert len(decode_base64_image(value, _MAX_BYTES)) <= len(value)
