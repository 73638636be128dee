"""Invalid headers of safetensors files are refused."""

import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.lora.errors import LoraFileError
from shared.lora.header import MAX_HEADER_BYTES, MAX_TENSORS, Header, read_header
from tests.fixtures.lora_files import entries, joined, lora_bytes, pair


def read(content: bytes) -> Header:
    return read_header(io.BytesIO(content), len(content))


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


def test_well_formed_header_is_read() -> None:
    header = read(lora_bytes({"a": ("F16", [2, 3]), "b": ("F32", [])}, {"note": "é"}))
    assert {name: (t.dtype, t.shape, t.start, t.end) for name, t in header.tensors.items()} == {
        "a": ("F16", (2, 3), 0, 12),
        "b": ("F32", (), 12, 16),
    }
    assert header.metadata == {"note": "é"}


def test_order_of_names_may_differ_from_order_of_data() -> None:
    fields, size = entries({"a": ("F32", [2]), "b": ("F32", [1])})
    header = read(joined(dict(reversed(fields.items())), bytes(size)))
    assert list(header.tensors) == ["b", "a"]


def test_spaces_may_pad_the_header() -> None:
    assert read(joined(json.dumps({"a": entry()}) + "   ", bytes(8))).tensors


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "shorter than 8"),
        (b"\x05\0\0", "shorter than 8"),
        ((2**63).to_bytes(8, "little") + b"{}", "its header would have"),
        ((100_000_000).to_bytes(8, "little") + b"{}", "its header would have"),
        (joined("[]", b""), "begin with"),
        (joined(" {}", b""), "begin with"),
        (joined("{", b""), "not JSON"),
        (joined('{"a": ' + "[" * 100_000, b""), "not JSON"),
        (joined("{}", b""), "no tensors"),
        (joined('{"a": NaN}', b""), "NaN"),
        (joined('{"a": ' + "9" * 5000 + "}", b""), "not JSON"),
        (joined('{"a": {}, "a": {}}', b""), "'a' twice"),
        (joined('{"a": {"dtype": "F32", "dtype": "F32"}}', b""), "'dtype' twice"),
        (joined({"a": 1}, b""), "other fields"),
        (joined({"a": entry(more=1)}, bytes(8)), "other fields"),
        (joined({"a": entry(dtype="F128")}, bytes(8)), "supported are"),
        (joined({"a": entry(dtype=["F32"])}, bytes(8)), "supported are"),
        (joined({"a": entry(shape="2")}, bytes(8)), "invalid shape"),
        (joined({"a": entry(shape=[-2])}, bytes(8)), "invalid shape"),
        (joined({"a": entry(shape=[2.0])}, bytes(8)), "invalid shape"),
        (joined({"a": entry(shape=[True, 2])}, bytes(8)), "invalid shape"),
        (joined({"a": entry(shape=[1] * 9)}, bytes(8)), "invalid shape"),
        (joined({"a": entry(shape=[2**60])}, bytes(8)), "invalid shape"),
        (joined({"a": entry(data_offsets=[0])}, bytes(8)), "invalid offsets"),
        (joined({"a": entry(data_offsets=[-8, 0])}, bytes(8)), "invalid offsets"),
        (joined({"a": entry(data_offsets=[8, 0])}, bytes(8)), "invalid offsets"),
        (joined({"a": entry(shape=[3])}, bytes(8)), "need 12"),
        (joined({"a": entry(dtype="F16")}, bytes(8)), "need 4"),
        (joined({"a": entry()}, bytes(7)), "ends before"),
        (joined({"a": entry()}, bytes(9)), "1 bytes after"),
        (joined({"a": entry(data_offsets=[1, 9])}, bytes(9)), "leaves a gap"),
        (joined({"a": entry(), "b": entry(data_offsets=[4, 12])}, bytes(12)), "overlaps"),
        (joined({"a": entry(), "b": entry()}, bytes(8)), "overlaps"),
        (joined({"": entry()}, bytes(8)), "1 to 512"),
        (joined({"a" * 513: entry()}, bytes(8)), "1 to 512"),
        (joined({"a\0": entry()}, bytes(8)), "1 to 512"),
        (joined({"a\ud800": entry()}, bytes(8)), "1 to 512"),
        (joined({"a": entry(), "__metadata__": []}, bytes(8)), "object of strings"),
        (joined({"a": entry(), "__metadata__": {"a": 1}}, bytes(8)), "object of strings"),
        (joined({"a": entry(), "__metadata__": {"a": "\0"}}, bytes(8)), "not Unicode"),
        (joined({"a": entry(), "__metadata__": {"\udfff": "a"}}, bytes(8)), "not Unicode"),
    ],
)
def test_inconsistent_header_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(LoraFileError, match=message):
        read(content)


def test_header_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(LoraFileError, match="not JSON"):
        read((4).to_bytes(8, "little") + b'{"\xff"' + bytes(8))


def test_huge_header_is_refused_before_it_is_read() -> None:
    class Prefix(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size == 8
            return super().read(size)

    length = MAX_HEADER_BYTES + 1
    with pytest.raises(LoraFileError, match=f"at most {MAX_HEADER_BYTES}"):
        read_header(Prefix(length.to_bytes(8, "little")), length + 8)


def test_too_many_tensors_are_refused() -> None:
    fields = {str(number): entry() for number in range(MAX_TENSORS + 2)}
    with pytest.raises(LoraFileError, match="more than"):
        read(joined(fields, bytes(8)))


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(content: bytes) -> None:
    with contextlib.suppress(LoraFileError):
        read(content)
    with contextlib.suppress(LoraFileError):
        read(len(content).to_bytes(8, "little") + content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "__metadata__"]), JSON), st.data())
def test_random_headers_raise_nothing_else(header: dict[str, Any], data: st.DataObject) -> None:
    valid = entry()
    valid[data.draw(st.sampled_from(sorted(valid)))] = data.draw(JSON)
    for mutated in (header, header | {"a": valid}):
        with contextlib.suppress(LoraFileError):
            read(joined(mutated, bytes(8)))


@given(st.data())
def test_flipped_bytes_raise_nothing_else_and_never_read_beyond_the_file(
    data: st.DataObject,
) -> None:
    content = bytearray(lora_bytes(pair(rank=1, width=2)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(LoraFileError):
        header = read(bytes(content))
        assert max(t.end for t in header.tensors.values()) + header.data_start == len(content)
