"""Reports of ignored fields: bounded, in ASCII, or refused if the client prefers that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.errors import InvalidRequestError
from api_gateway.ignored.prefer import is_strict
from api_gateway.ignored.report import MAX_HEADER_BYTES, MAX_NAMES, IgnoredField, IgnoredFields

_NAME = st.text(max_size=300)


def _parts(*names: str, nearest: str | None = None) -> list[IgnoredField]:
    return [IgnoredField(("body", name), nearest) for name in names]


def test_what_is_read_whole_has_no_header_and_no_warning() -> None:
    assert (IgnoredFields().header, IgnoredFields().warnings) == (None, [])


def test_each_is_named_with_the_nearest() -> None:
    ignored = IgnoredFields()
    ignored.note(_parts("promt", nearest="prompt"))
    ignored.note([IgnoredField(("query", "limt"), "limit", "there is no such parameter")])

    assert ignored.header == '"body.promt";nearest="prompt", "query.limt";nearest="limit"'
    assert ignored.warnings == [
        "body.promt was ignored: there is no such field; the nearest one is `prompt`.",
        "query.limt was ignored: there is no such parameter; the nearest one is `limit`.",
    ]


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    ignored = IgnoredFields()
    ignored.note(_parts(*(f"f{i}" for i in range(100))))

    assert ignored.header is not None
    assert ignored.header.count('"body.') == MAX_NAMES
    assert ignored.header.endswith(";others=80")
    assert len(ignored.warnings) == MAX_NAMES + 1
    assert ignored.warnings[-1] == "80 more fields were ignored."


@given(st.lists(_NAME, min_size=1, max_size=40), st.one_of(st.none(), st.just("prompt")))
def test_header_is_short_visible_ascii_whatever_is_sent(
    names: list[str], nearest: str | None
) -> None:
    ignored = IgnoredFields()
    ignored.note(_parts(*names, nearest=nearest))

    header = ignored.header
    assert header is not None
    assert len(header) <= MAX_HEADER_BYTES
    assert all(" " <= letter <= "~" for letter in header)
    assert header.count('"') % 2 == 0
    assert len(ignored.warnings) <= MAX_NAMES + 1
    assert all(len(said) < 300 for said in ignored.warnings)


def test_strict_request_is_refused_for_each() -> None:
    ignored = IgnoredFields(is_strict=True)

    with pytest.raises(InvalidRequestError) as refused:
        ignored.note(_parts(*(f"f{i}" for i in range(60)), nearest="prompt"))

    assert len(refused.value.faults) == 60
    first = refused.value.faults[0]
    assert (first.loc, first.kind) == (("body", "f0"), "unknown_field")
    assert first.message == "there is no such field; the nearest one is `prompt`"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], False),
        (["handling=strict"], True),
        (['respond-async, wait=10; x, Handling = "Strict"; foo'], True),
        (["respond-async", "handling=strict"], True),
        (["handling=lenient, handling=strict"], False),
        (["handling"], False),
        (["strict"], False),
        (["handling=strictly"], False),
    ],
)
def test_preference_is_read_as_its_standard_says(lines: list[str], *, expected: bool) -> None:
    assert is_strict(lines) is expected
