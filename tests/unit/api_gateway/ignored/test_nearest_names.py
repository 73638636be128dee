"""The known name nearest to an unknown one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.ignored.nearest_names import distance, nearest

_KNOWN = ["prompt", "width", "height", "style_model_path", "product_model_path", "seed"]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("promt", "prompt"),
        ("widht", "width"),
        ("WIDTH", "width"),
        ("lora_path", "style_model_path"),
        ("stylemodelpath", "style_model_path"),
    ],
)
def test_slip_and_likeness_are_told(sent: str, meant: str) -> None:
    assert nearest(sent, _KNOWN) == meant


def test_of_two_that_are_as_near_the_one_of_the_same_length_is_meant() -> None:
    assert nearest("productx_path", ["product_path", "product2_path"]) == "product2_path"


def test_name_elsewhere_counts_before_one_that_is_merely_alike() -> None:
    elsewhere = ["body.config.num_inference_steps"]

    assert nearest("num_inference_steps", _KNOWN, elsewhere) == elsewhere[0]
    assert nearest("widht", _KNOWN, ["body.config.widht"]) == "width"


def test_nothing_alike_is_none() -> None:
    assert nearest("", _KNOWN) is None
    assert nearest("q", ["prompt"]) is None
    assert nearest("prompt", []) is None


def test_long_names_take_no_time() -> None:
    assert nearest("x" * 1_000_000 + "prompt", _KNOWN) is None


@given(st.text(max_size=12), st.text(max_size=12))
def test_distance_is_one(one: str, other: str) -> None:
    one, other = one.lower(), other.lower()

    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance(one, other) <= max(len(one), len(other))
