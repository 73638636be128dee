"""Decoder of pictures inside requests: base64 in all common variants, or a base64 data URL."""

import binascii
import re

from shared.images.admission import ImageRefusedError, too_large

_DATA_URL = re.compile(r"\s*data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE)
_MAX_DATA_URL_HEADER_CHARS = 256
_PIECE_CHARACTERS = 1024 * 1024
_BLANKS = " \t\r\n\f\v"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_STANDARD = bytes.maketrans(b"-_", b"+/")
"""Maps the URL-safe alphabet to the standard one; they differ in these two characters."""

_ESCAPES = {"%2B": "+", "%2F": "/", "%3D": "=", "%2D": "-", "%5F": "_"} | dict.fromkeys(
    ("%20", "%0D", "%0A", "%09"), " "
)
"""Percent-escapes that URL encoders write for characters of base64."""
_ESCAPE_CHARS = 3
_MAX_LINE_BREAK_CHARS = 1024
"""Allowance for escaped line breaks, in addition to an eighth of all other characters."""


_BASE64_URL = re.compile(r"\s*data:[^,]*;\s*base64\s*,\s*[\w+/%-]", re.IGNORECASE | re.ASCII)


def is_base64_url(value: str) -> bool:
    """Return true for a data URL in base64; false for prose that begins with `data:`."""
    return _BASE64_URL.match(value[:_MAX_DATA_URL_HEADER_CHARS]) is not None


def is_data_url(value: str) -> bool:
    """Return true if a text begins like a data URL."""
    return value[: len(_BLANKS) + 5].lstrip(_BLANKS)[:5].lower() == "data:"


def decode_base64_image(value: str, max_bytes: int) -> bytes:
    """Decode base64 or a base64 data URL; the size is checked before decoding.

    Both alphabets are accepted, with or without padding, and with white space anywhere.

    Raises:
        ImageRefusedError: the text is neither, its media type is not an image, or it is too large.
    """
    if is_data_url(value):
        _check_image_type(value[:_MAX_DATA_URL_HEADER_CHARS])
    return decode_base64_file(value, max_bytes)


def decode_base64_file(value: str, max_bytes: int) -> bytes:
    """Decode like `decode_base64_image`, data URLs of any media type.

    Raises:
        ImageRefusedError: the text is neither base64 nor a data URL in base64, or it is too large.
    """
    named, start = "is neither the path of a stored picture nor base64 nor a data URL", 0
    if is_data_url(value):
        named = "is a data URL whose data is not base64"
        start = _check_data_url(value[:_MAX_DATA_URL_HEADER_CHARS])
        if value.find("%", start) >= 0:
            most = (max_bytes * 4 // 3 + 4) * _ESCAPE_CHARS
            if len(value) - start > most + most // 8 + _MAX_LINE_BREAK_CHARS:
                raise too_large(max_bytes)
            value, start = _unescaped(value, start), 0
    padding = value.find("=", start)
    end = len(value) if padding < 0 else padding
    num_letters = end - start - sum(value.count(blank, start, end) for blank in _BLANKS)
    if num_letters * 3 // 4 > max_bytes:
        raise too_large(max_bytes)
    fault = _ending_fault(value[end:], num_letters)
    if not fault:
        try:
            return _decoded(value, start, end)
        except _InvalidCharacterError as error:
            fault = str(error)
    raise ImageRefusedError(f"{named}: {fault}")


class _InvalidCharacterError(ValueError):
    """The text has a character that is not in the alphabet of base64."""


def _ending_fault(ending: str, num_letters: int) -> str:
    """Return the error of the padding or of the number of characters; empty if there is none."""
    # Stripping would hold the GIL ten times as long: one second for 70 MB.
    if len(ending) != sum(ending.count(char) for char in "=" + _BLANKS):
        return "it continues after its padding '='"
    if num_letters % 4 == 1:
        return f"it ends within a byte, after {num_letters} characters; send the whole text"
    if ending.count("=") > -num_letters % 4:
        return f"it has too much padding '=' for {num_letters} characters"
    return ""


def _decoded(value: str, start: int, end: int) -> bytes:
    """Decode base64 with white space, in pieces because each call holds the GIL."""
    decoded: list[bytes] = []
    rest = b""
    for place in range(start, end, _PIECE_CHARACTERS):
        letters = rest + _letters(value[place : min(place + _PIECE_CHARACTERS, end)], place - start)
        whole = len(letters) - len(letters) % 4
        decoded.append(binascii.a2b_base64(letters[:whole]))
        rest = letters[whole:]
    decoded.append(binascii.a2b_base64(rest + b"=" * (-len(rest) % 4)))
    return b"".join(decoded)


def _letters(piece: str, place: int) -> bytes:
    """Return a piece in the standard alphabet, without white space."""
    try:
        encoded = piece.encode("ascii")
    except UnicodeEncodeError as error:
        message = _invalid_character(piece[error.start], place + error.start)
        raise _InvalidCharacterError(message) from error
    letters = encoded.translate(_STANDARD, _BLANKS.encode())
    if invalid := letters.translate(None, _LETTERS):
        char = chr(invalid[0])
        raise _InvalidCharacterError(_invalid_character(char, place + piece.index(char)))
    return letters


def _invalid_character(char: str, place: int) -> str:
    return f"its character {place + 1}, {char!a}, is not in the alphabet of base64"


def _unescaped(value: str, start: int) -> str:
    """Return the text from `start` on, unescaped; in pieces because each call holds the GIL."""
    pieces: list[str] = []
    while start < len(value):
        end = min(start + _PIECE_CHARACTERS, len(value))
        if end < len(value):
            begun = value.find("%", end - _ESCAPE_CHARS + 1, end)
            end = begun if begun >= 0 else end
        piece = value[start:end]
        for escape, letter in _ESCAPES.items():
            piece = piece.replace(escape, letter).replace(escape.lower(), letter)
        pieces.append(piece)
        start = end
    return "".join(pieces)


def _check_image_type(header: str) -> None:
    found = _DATA_URL.match(header)
    named = found["type"].strip().lower() if found else ""
    if named and not named.startswith("image/"):
        raise ImageRefusedError(f"is a data URL of {named}; its type must be image/*")


def _check_data_url(header: str) -> int:
    """Return the start of the data in a data URL; raise unless it is in base64."""
    found = _DATA_URL.match(header)
    if found is None:
        raise ImageRefusedError("is not a data URL; write data:image/png;base64,…")
    if "base64" not in {part.strip() for part in found["parameters"].lower().split(";")}:
        raise ImageRefusedError("is a data URL not in base64; write data:image/png;base64,…")
    return found.end()
