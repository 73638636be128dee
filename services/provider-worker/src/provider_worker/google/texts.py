"""The result of a text request. Pure."""

from collections.abc import Mapping
from typing import Any

from provider_worker.errors import UnfitReplyError
from provider_worker.google.convert import GeminiWork
from provider_worker.google.errors import NAME, quoted
from provider_worker.google.wire import Generated
from provider_worker.llm.results import reply_results
from provider_worker.llm.schema import read_reply
from provider_worker.outcomes import ProviderResult
from shared.contracts.service_requests import BilledUnits


def text_results(
    generated: Generated, work: GeminiWork, billed: list[BilledUnits]
) -> ProviderResult:
    """Return the text of a response, its data if a schema was requested, and its token counts.

    Raises:
        PlatformError: the data does not follow the schema.
        UnusableResultError: the text exceeds our limits.
    """
    text = generated.candidates[0].text if generated.candidates else ""
    usage = generated.usage_metadata
    results = reply_results(
        text,
        None if work.schema is None else _data(work.schema, text, billed),
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        billed=billed,
    )
    return ProviderResult(results, billed=billed, provenance=work.provenance)


def _data(schema: Mapping[str, Any], text: str, billed: list[BilledUnits]) -> Any:
    try:
        return read_reply(schema, text)
    except ValueError as error:
        raise UnfitReplyError(
            f"{NAME}'s reply cannot be used: {error}; it begins with {quoted(text)}", billed=billed
        ) from None
