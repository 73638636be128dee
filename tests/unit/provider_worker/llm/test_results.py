"""Result fields of a reply fit together into a run's history."""

import pytest
from pydantic_core import to_json

from provider_worker.errors import UnusableResultError
from provider_worker.llm.chats import billed_tokens
from provider_worker.llm.results import reply_results
from shared.contracts.untrusted import RESULT

BILLED = billed_tokens(3, 4)


def results(text: str, data: object = None) -> dict[str, object]:
    return reply_results(text, data, input_tokens=3, output_tokens=4, billed=BILLED)


def test_a_text_is_made_storable() -> None:
    assert results("a\x00b\ud800")["result_text"] == "ab\ufffd"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("漢" * 400_000, None),
        ('"' * 600_000, None),
        ("a" * 600_000, {"a": "a" * 600_000}),
    ],
)
def test_fields_that_are_too_large_together_are_no_result(text: str, data: object) -> None:
    with pytest.raises(UnusableResultError, match="larger than 1048576 bytes") as raised:
        results(text, data)
    assert raised.value.billed == tuple(BILLED)


def test_all_others_fit() -> None:
    found = results("漢" * 300_000, {"a": "b" * 100_000})
    assert len(to_json(found)) < (RESULT.max_bytes or 0)
