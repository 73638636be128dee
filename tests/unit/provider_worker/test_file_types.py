"""Types of files by content."""

import io

import pytest

from provider_worker.file_types import UNKNOWN, is_whole_mp4, type_of
from tests.fixtures.videos import box, mp4, webm

LONG_REST = (16 + 50).to_bytes(8, "big") + bytes(50)
"""The rest of a box of 50 bytes whose length is written with 64 bits."""


@pytest.mark.parametrize(
    ("content", "content_type", "suffix"),
    [
        (mp4(), "video/mp4", ".mp4"),
        (webm(), "video/webm", ".webm"),
        (b"\x89PNG\r\n\x1a\n....", "image/png", ".png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg", ".jpg"),
        (b"RIFF\x00\x00\n\x00WEBPVP8 ", "image/webp", ".webp"),
        (b"GIF89a....", "image/gif", ".gif"),
        (b"RIFF\x00\x00\n\x00WAVEfmt ", "audio/wav", ".wav"),
        (b"ID3\x04\x00....", "audio/mpeg", ".mp3"),
        (b"\xff\xfb\x90\x44....", "audio/mpeg", ".mp3"),
        (b"OggS\x00\x02....", "audio/ogg", ".ogg"),
        (b"PK\x03\x04....", "application/zip", ".zip"),
        (b"glTF\x02\x00\x00\x00....", "model/gltf-binary", ".glb"),
        (b'\xef\xbb\xbf {"masks": ["\xc3\xa9"]}\n', "application/json", ".json"),
        (b"[]", "application/json", ".json"),
    ],
)
def test_files_are_known_by_their_content(content: bytes, content_type: str, suffix: str) -> None:
    kind = type_of(io.BytesIO(content))
    assert (kind.content_type, kind.suffix) == (content_type, suffix)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"\x7fELF",
        b"#!/bin/sh",
        b"ftyp",
        b"\xff\xfb\xff\xff",  # no bit rate
        b"\x1aE\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x23\x42\x82\x88matroska",
        b'{"cut": ',
        b"{\x00}",
        box(b"ftyp", b"avif\x00\x00\x00\x00") + box(b"meta"),
        box(b"ftyp", b"M4A \x00\x00\x00\x00") + box(b"moov"),
    ],
)
def test_all_other_files_are_bytes(content: bytes) -> None:
    assert type_of(io.BytesIO(content)) is UNKNOWN


@pytest.mark.parametrize(
    ("content", "is_whole"),
    [
        (mp4(), True),
        (mp4(50)[:-1], False),
        (mp4() + b"\x00" * 5, True),
        (box(b"ftyp", b"isom") + box(b"mdat", bytes(50)), False),
        (box(b"ftyp", b"isom") + box(b"moov") + b"\x00\x00\x00\x00mdat" + bytes(50), True),
        (box(b"ftyp", b"isom") + box(b"moov") + b"\x00\x00\x00\x01mdat" + LONG_REST, True),
        (box(b"ftyp", b"isom") + b"\x00\x00\x00\x02mdat" + bytes(50), False),
        (box(b"ftyp", b"isom") + b"\x00\x00\x00\x01moov" + b"\xff" * 8, False),
    ],
)
def test_truncated_mp4_is_recognised(content: bytes, *, is_whole: bool) -> None:
    assert is_whole_mp4(io.BytesIO(content)) == is_whole
