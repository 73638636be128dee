"""Ranges and conditions of RFC 9110."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.storage.conditions import (
    ReadConditions,
    Representation,
    Selection,
    select_part,
)

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
THERE = Representation('"abc"', WHEN, 10)
WHOLE = Selection(200, 0, 10)


def select(**headers: str) -> Selection:
    return select_part(ReadConditions(**headers), THERE)


def date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("asked", "selected"),
    [
        ("bytes=0-3", Selection(206, 0, 4)),
        ("bytes=4-4", Selection(206, 4, 1)),
        ("bytes=4-", Selection(206, 4, 6)),
        ("bytes=-3", Selection(206, 7, 3)),
        ("bytes=0-", Selection(206, 0, 10)),
        ("bytes=8-999999999999999999", Selection(206, 8, 2)),
        ("bytes=-99", Selection(206, 0, 10)),
        ("bytes= 1-2 ", Selection(206, 1, 2)),
        ("bytes=10-", Selection(416)),
        ("bytes=10-20", Selection(416)),
        ("bytes=-0", Selection(416)),
        ("bytes=5-2", WHOLE),
        ("bytes=0-1,3-4", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=--1", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=1-99999999999999999999999999", WHOLE),
        ("bytes=¹-", WHOLE),
        ("items=0-3", WHOLE),
        ("0-3", WHOLE),
        ("", WHOLE),
    ],
)
def test_one_range_of_bytes_is_selected_and_everything_else_is_the_whole(
    asked: str, selected: Selection
) -> None:
    assert select(range=asked) == selected


@given(st.integers(0, 20), st.integers(0, 20))
def test_part_lies_within_the_whole(first: int, last: int) -> None:
    selected = select(range=f"bytes={first}-{last}")
    if selected.status == 206:
        assert 0 < selected.length <= 10 - selected.first
        assert selected.first == first


@pytest.mark.parametrize("tags", ['"abc"', 'W/"abc"', '"x", "abc"', '"x",W/"abc"', "*", " * "])
def test_known_tag_is_not_sent_again(tags: str) -> None:
    assert select(if_none_match=tags, range="bytes=0-3").status == 304


@pytest.mark.parametrize("tags", ['"abd"', "abc", '"ab,c"', "x", 'abc"'])
def test_other_tag_is_sent_whatever_the_date(tags: str) -> None:
    assert select(if_none_match=tags, if_modified_since=date(WHEN)) == WHOLE


def test_date_is_compared_by_the_second() -> None:
    assert select(if_modified_since=date(WHEN)).status == 304
    assert select(if_modified_since=date(WHEN + timedelta(days=1))).status == 304
    assert select(if_modified_since=date(WHEN - timedelta(seconds=1))) == WHOLE


@given(st.text())
def test_nonsense_in_headers_is_the_whole_and_never_an_error(text: str) -> None:
    for name in ("if_modified_since", "if_range", "range"):
        assert select(**{name: text}).status in {200, 206, 304, 416}


def test_part_is_sent_only_of_the_bytes_that_the_client_has_begun_with() -> None:
    assert select(range="bytes=0-3", if_range='"abc"').status == 206
    for other in ('"abd"', 'W/"abc"', date(WHEN), "x"):
        assert select(range="bytes=0-3", if_range=other) == WHOLE
