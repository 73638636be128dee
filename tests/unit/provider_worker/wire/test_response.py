import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.fal.response import FalResponse
from provider_worker.fal.wire import Queued

_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def answer(status: int, body: Any = None, **headers: str) -> FalResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return FalResponse(status, named, b"" if body is None else json.dumps(body).encode())


def test_details_of_a_model_are_shown_with_their_field() -> None:
    detail = [
        {"loc": ["body", "prompt"], "msg": "is missing", "type": "missing", "input": {}},
        {"loc": [], "msg": "too dark", "type": "dark"},
    ]
    assert answer(422, {"detail": detail}).message == "body.prompt: is missing; too dark"
    assert answer(422, detail).error_type == "missing"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"detail": "Gone"}, "Gone"),
        ({"error": "No"}, "No"),
        ({"message": "Off"}, "Off"),
        ({"detail": {"a": 1}}, ""),
        (["text"], ""),
        (7, ""),
        (None, ""),
    ],
)
def test_plain_messages_are_shown(body: Any, told: str) -> None:
    assert answer(500, body).message == told


def test_headers_name_the_error_first() -> None:
    found = answer(504, {"error_type": "b"}, x_fal_error_type="request_timeout")
    assert found.error_type == "request_timeout"
    assert answer(504, {"detail": "x", "error_type": "b"}).error_type == "b"


@given(st.binary(max_size=200), st.integers(200, 599))
def test_any_body_is_handled(content: bytes, status: int) -> None:
    found = FalResponse(status, {}, content)
    assert len(found.message) <= 500
    assert isinstance(found.error_type, str)
    assert found.read(Queued) is None or b"request_id" in content


def test_request_ids_with_path_characters_are_refused() -> None:
    for request_id in ("../x", "a/b", "", "a?b", "x" * 201):
        assert answer(200, {"request_id": request_id}).read(Queued) is None
    assert answer(200, {"request_id": "019-ab_c"}).read(Queued) is not None


def test_unstorable_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        FalResponse(200, {}, b'{"score": NaN}').json()


@pytest.mark.parametrize(
    "url", ["https://fal.example/" + "x" * 5000, "https://a/\0é", 7, ["x"], None]
)
def test_accepted_work_is_not_lost_for_an_unusable_url(url: Any) -> None:
    taken = answer(200, {"request_id": "019", "status_url": url, "cancel_url": "https://a/c"})
    assert taken.read(Queued) == Queued(request_id="019", cancel_url="https://a/c")


def test_many_values_are_not_even_parsed() -> None:
    """Many values take up to a hundred times the memory of their text."""
    with pytest.raises(ValueError, match="more than 100000 values"):
        FalResponse(200, {}, b"[" + b"{}," * 700_000 + b"{}]").json()
