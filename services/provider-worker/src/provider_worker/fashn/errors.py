"""Translation of FASHN's errors by name and status. Pure functions."""

from collections.abc import Sequence

from provider_worker.fashn.response import FashnResponse
from provider_worker.fashn.wire import Prediction
from provider_worker.wire.errors import Errors, category_of_status, redacted
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.service_requests import BilledUnits
from shared.errors import PlatformError

_BY_NAME = {
    "BadRequest": Category.VALIDATION,
    "ConcurrencyLimitExceeded": Category.RATE_LIMIT,
    "ContentModerationError": Category.CONTENT_POLICY,
    "ImageLoadError": Category.VALIDATION,
    "InputValidationError": Category.VALIDATION,
    "InternalServerError": Category.PROVIDER_ERROR,
    "OutOfCredits": Category.QUOTA_EXCEEDED,
    "PipelineError": Category.PROVIDER_ERROR,
    "PollingTimeout": Category.PROVIDER_ERROR,
    "PoseError": Category.VALIDATION,
    "RateLimitExceeded": Category.RATE_LIMIT,
    "ThirdPartyError": Category.CONTENT_POLICY,
    "3rdPartyProviderError": Category.PROVIDER_ERROR,
}
"""Categories of FASHN's error names, for any status. `ThirdPartyError` is a refusal by the service
that describes the pictures for FASHN."""
_LONGEST = 500


def category_of(response: FashnResponse) -> Category:
    """Return the category of an error response."""
    return _BY_NAME.get(response.error_name) or category_of_status(response.status)


def _is_refusal(response: FashnResponse) -> bool:
    """Return true if an error has a name of FASHN: proxies have words of their own."""
    return response.error_name in _BY_NAME


_ERRORS = Errors("FASHN", category_of, _is_refusal)
poll_error = _ERRORS.poll


def submit_error(response: FashnResponse) -> PlatformError:
    """Translate the response to a submission that FASHN did not accept.

    FASHN may return 200 with an error and without an id, too: nothing was accepted.
    """
    if response.is_success and response.error_name in _BY_NAME:
        return _ERRORS.of(response, category_of(response))
    return _ERRORS.submission(response)


def work_error(prediction: Prediction, billed: Sequence[BilledUnits] = ()) -> PlatformError:
    """Translate the status of work that failed. Retrying means another submission."""
    error = prediction.error
    name = error.name if error else ""
    told = [prediction.status, name, error.message if error else ""]
    reason = redacted(": ".join(filter(None, told))[:_LONGEST])
    return PlatformError(
        f"the work failed at FASHN: {reason}",
        category=_BY_NAME.get(name, Category.PROVIDER_ERROR),
        is_final=True,
        billed=billed,
    )
