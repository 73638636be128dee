"""The ID of a run without a row: equal for a request and its repeats, unique otherwise."""

from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from api_gateway.idempotency import run_id
from shared.db.repositories.idempotency import CreateRequest

# Few and short, so that concatenated parts of different requests may collide.
_WORDS = st.text('ab",[]', max_size=3)
_REQUESTS = st.builds(CreateRequest, _WORDS, _WORDS, _WORDS, _WORDS)


@given(_REQUESTS, _REQUESTS)
def test_requests_share_a_run_if_and_only_if_they_are_the_same(
    one: CreateRequest, other: CreateRequest
) -> None:
    assert (run_id(one) == run_id(other)) == (astuple(one) == astuple(other))
    assert run_id(one) == run_id(CreateRequest(*astuple(one)))


def test_request_without_a_key_has_a_run_of_its_own() -> None:
    assert run_id(None) != run_id(None)
