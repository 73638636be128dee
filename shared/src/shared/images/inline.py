"""Pictures inside a request: base64 in every spelling that clients write, or a data URL of it."""

import binascii
import re

from shared.images.admission import ImageRefusedError, too_large

_DATA_URL = re.compile(r"\s*data:(?P<type>[^;,]*)(?P<parameters>(?:;[^;,]*)*),", re.IGNORECASE)
_LONGEST_DATA_URL_HEADER = 256
_PIECE_CHARACTERS = 1024 * 1024
_BLANKS = " \t\r\n\f\v"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_STANDARD = bytes.maketrans(b"-_", b"+/")
"""The URL-safe alphabet differs in these two alone."""

_ESCAPES = {"%2B": "+", "%2F": "/", "%3D": "=", "%2D": "-", "%5F": "_"} | dict.fromkeys(
    ("%20", "%0D", "%0A", "%09"), " "
)
"""What of base64 URL encoders escape."""
_LONGEST_ESCAPE = 3
_MOST_FOR_LINES = 1024
"""Characters that escaped line breaks may add, beside an eighth of all others."""


def is_data_url(value: str) -> bool:
    """Whether a text begins as a data URL does."""
    return value[: len(_BLANKS) + 5].lstrip(_BLANKS)[:5].lower() == "data:"


def decode_base64_image(value: str, max_bytes: int) -> bytes:
    """Return the bytes behind base64 or a base64 data URL; their number is limited before decoding.

    Both alphabets are read, with or without padding, and with blanks and line breaks anywhere.

    Raises:
        ImageRefusedError: it is neither, is no picture by its own word, or is too large.
    """
    named, start = "is neither the path of a stored picture nor base64 nor a data URL", 0
    if is_data_url(value):
        named = "is a data URL whose data is not base64"
        start = _check_data_url(value[:_LONGEST_DATA_URL_HEADER])
        if value.find("%", start) >= 0:
            most = (max_bytes * 4 // 3 + 4) * _LONGEST_ESCAPE
            if len(value) - start > most + most // 8 + _MOST_FOR_LINES:
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
        except _NoLetterError as error:
            fault = str(error)
    raise ImageRefusedError(f"{named}: {fault}")


class _NoLetterError(ValueError):
    """A character that base64 does not have."""


def _ending_fault(ending: str, num_letters: int) -> str:
    """What is wrong with what stands behind the last letter, or with the letters' number."""
    # Stripping would hold the interpreter's lock ten times as long: a second for 70 MB.
    if len(ending) != sum(ending.count(char) for char in "=" + _BLANKS):
        return "it goes on behind its padding '='"
    if num_letters % 4 == 1:
        return f"it ends within a byte, after {num_letters} letters; send the whole text"
    if ending.count("=") > -num_letters % 4:
        return f"it has too much padding '=' for {num_letters} letters"
    return ""


def _decoded(value: str, start: int, end: int) -> bytes:
    """Decode letters and blanks; in pieces, since each holds the interpreter's lock."""
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
    """A piece in the standard alphabet, without blanks."""
    try:
        encoded = piece.encode("ascii")
    except UnicodeEncodeError as error:
        raise _NoLetterError(_strange(piece[error.start], place + error.start)) from error
    letters = encoded.translate(_STANDARD, _BLANKS.encode())
    if strange := letters.translate(None, _LETTERS):
        char = chr(strange[0])
        raise _NoLetterError(_strange(char, place + piece.index(char)))
    return letters


def _strange(char: str, place: int) -> str:
    return f"base64 has no {char!a}, which is its character {place + 1}"


def _unescaped(value: str, start: int) -> str:
    """What stands behind `start`; in pieces, since each holds the interpreter's lock."""
    pieces: list[str] = []
    while start < len(value):
        end = min(start + _PIECE_CHARACTERS, len(value))
        if end < len(value):
            begun = value.find("%", end - _LONGEST_ESCAPE + 1, end)
            end = begun if begun >= 0 else end
        piece = value[start:end]
        for escape, letter in _ESCAPES.items():
            piece = piece.replace(escape, letter).replace(escape.lower(), letter)
        pieces.append(piece)
        start = end
    return "".join(pieces)


def _check_data_url(header: str) -> int:
    """Where the data of a data URL starts, if it says that it is a picture in base64."""
    found = _DATA_URL.match(header)
    if found is None:
        raise ImageRefusedError("is not a data URL; write data:image/png;base64,…")
    named = found["type"].strip().lower()
    if named and not named.startswith("image/"):
        raise ImageRefusedError(f"is a data URL of {named}; its type must be image/*")
    if "base64" not in {part.strip() for part in found["parameters"].lower().split(";")}:
        raise ImageRefusedError("is a data URL not in base64; write data:image/png;base64,…")
    return found.end()
