"""The result fields of an LLM_INTERACTION. Pure."""

from collections.abc import Sequence
from typing import Any

from provider_worker.errors import UnusableResultError
from shared.contracts.service_requests import BilledUnits
from shared.contracts.untrusted import RESULT, UntrustedValueError, admit, cleaned


def reply_results(
    text: str,
    data: Any,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    billed: Sequence[BilledUnits],
) -> dict[str, Any]:
    """Return the result fields of a reply, whose text is made storable.

    Args:
        text: the reply.
        data: the same as data; none if no schema was requested.
        input_tokens: of the request, as the vendor counted.
        output_tokens: of the reply.
        billed: the units that it cost, for the error.

    Raises:
        UnusableResultError: the fields together exceed the limits of a result.
    """
    results = {
        "result_text": cleaned(text),
        "result_json": data,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
    }
    try:
        admit(results, RESULT)
    except UntrustedValueError as fault:
        error = UnusableResultError(f"it {fault}")
        error.billed = tuple(billed)
        raise error from fault
    return results
