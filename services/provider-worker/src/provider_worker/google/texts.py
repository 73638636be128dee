"""The result of a text request. Pure."""

from provider_worker.adapters import ProviderResult
from provider_worker.errors import UnusableResultError
from provider_worker.google.convert import GeminiWork
from provider_worker.google.wire import Generated
from shared.contracts.service_requests import BilledUnits
from shared.contracts.untrusted import RESULT, UntrustedValueError, admit


def text_results(
    generated: Generated, work: GeminiWork, billed: list[BilledUnits]
) -> ProviderResult:
    """Return the text of a response, and its token counts.

    Raises:
        UnusableResultError: the text exceeds our limits.
    """
    text = generated.candidates[0].text if generated.candidates else ""
    usage = generated.usage_metadata
    results = {
        "result_text": text,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
    }
    try:
        admit(results, RESULT)
    except UntrustedValueError as fault:
        error = UnusableResultError(str(fault))
        error.billed = tuple(billed)
        raise error from fault
    return ProviderResult(results, billed=billed, provenance=work.provenance)
