"""Names of LoRA files: valid ones are stored, others are refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.lora.errors import LoraNameError
from shared.lora.names import (
    LoraFolder,
    digest_path,
    path_digest,
    split_filename,
    split_path,
    versioned,
)

HOSTILE = [
    "",
    ".safetensors",
    "..safetensors",
    "../x.safetensors",
    "..%2fx.safetensors",
    "%252e%252e/x.safetensors",
    "..\\x.safetensors",
    "a\\b.safetensors",
    "/etc/x.safetensors",
    "C:\\x.safetensors",
    "\\\\host\\x.safetensors",
    "....//x.safetensors",
    "x\0.safetensors",
    "x.safetensors\0.png",
    "x\n.safetensors",
    "x..safetensors",
    "x.safetensors.",
    "x.safetensors ",
    " x.safetensors",
    "nul.safetensors",
    "CON.safetensors",
    "com1.pt",
    "lpt9.tar.bin",
    "x?.safetensors",
    "a" * 300 + ".safetensors",
    "é" * 100 + ".safetensors",
    "x.png",
    "x",
    "x.safetensors.exe",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_made_safe", [True, False])
def test_hostile_name_is_refused(name: str, is_made_safe: bool) -> None:  # noqa: FBT001 -- a case
    with pytest.raises(LoraNameError, match="name"):
        split_filename(name, is_made_safe=is_made_safe)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my_lora.safetensors", ("my_lora", ".safetensors")),
        ("My Lora (1)-v1.0.SafeTensors", ("My Lora (1)-v1.0", ".safetensors")),
        ("x.ckpt", ("x", ".ckpt")),
        ("console.pt", ("console", ".pt")),
    ],
)
def test_plain_name_stays_as_it_is(name: str, expected: tuple[str, str]) -> None:
    for is_made_safe in (True, False):
        assert split_filename(name, is_made_safe=is_made_safe) == expected


@pytest.mark.parametrize(
    ("name", "stem"), [("été.pt", "ete"), ("a&b=c.pt", "a_b_c"), ("ß1.pt", "1")]
)
def test_unusual_name_is_made_safe_on_request(name: str, stem: str) -> None:
    assert split_filename(name, is_made_safe=True)[0] == stem
    with pytest.raises(LoraNameError, match="Latin letters"):
        split_filename(name, is_made_safe=False)


def test_name_without_any_safe_character_is_refused() -> None:
    with pytest.raises(LoraNameError, match="Latin letters"):
        split_filename("模型.safetensors", is_made_safe=True)


@given(st.text(max_size=30), st.booleans())
def test_admitted_names_round_trip(text: str, is_made_safe: bool) -> None:  # noqa: FBT001 -- drawn
    with contextlib.suppress(LoraNameError):
        stem, _ = split_filename(text + ".pt", is_made_safe=is_made_safe)
        path = f"styles/{versioned(stem, 2)}"
        assert split_path(path, "/data") == (LoraFolder.STYLES, f"{stem}_v2.safetensors")


@pytest.mark.parametrize("path", ["faces/a.safetensors", "/data/loras/faces/a.safetensors"])
@pytest.mark.parametrize("root", ["/data/loras", "/data/loras/"])
def test_path_may_have_the_root_before_it(path: str, root: str) -> None:
    assert split_path(path, root) == (LoraFolder.FACES, "a.safetensors")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a.safetensors",
        "other/a.safetensors",
        "faces/a.pt",
        "faces/../a.safetensors",
        "faces/b/a.safetensors",
        "faces\\a.safetensors",
        "faces/a%2f.safetensors",
        "faces/a\0.safetensors",
        "/faces/a.safetensors",
        "/elsewhere/faces/a.safetensors",
        "faces/" + "a" * 2000 + ".safetensors",
    ],
)
def test_path_of_another_form_is_refused(path: str) -> None:
    with pytest.raises(LoraNameError, match="must be folder/name"):
        split_path(path, "/data/loras")


def test_path_by_digest_is_read_back_and_names_no_folder() -> None:
    digest = "0123456789abcdef" * 4
    path = digest_path(digest)
    assert path_digest(path) == digest
    for other in (
        f"product/{digest}.safetensors",
        f"sha256/{digest}",
        f"sha256/{digest[1:]}.safetensors",
        f"sha256/{digest.upper()}.safetensors",
        f"/sha256/{digest}.safetensors",
        f"sha256/{digest}.safetensors\n",
    ):
        assert path_digest(other) is None
    with pytest.raises(LoraNameError):
        split_path(path, "/data")
