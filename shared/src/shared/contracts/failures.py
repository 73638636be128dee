"""What follows from each category of error, and how a failed attempt reads in a record."""

from dataclasses import dataclass

from shared.contracts.enums import ErrorCategory


@dataclass(frozen=True)
class Consequence:
    """Whether a category is worth another try at the same provider, and at the fallback."""

    is_retried: bool
    falls_back: bool


_FINAL = Consequence(is_retried=False, falls_back=False)
_FALLBACK_ONLY = Consequence(is_retried=False, falls_back=True)
_TRANSIENT = Consequence(is_retried=True, falls_back=True)

CONSEQUENCES: dict[ErrorCategory, Consequence] = {
    ErrorCategory.VALIDATION: _FINAL,
    ErrorCategory.CANCELLED: _FINAL,
    ErrorCategory.AUTHENTICATION: _FALLBACK_ONLY,
    ErrorCategory.QUOTA_EXCEEDED: _FALLBACK_ONLY,
    ErrorCategory.CONTENT_POLICY: _FALLBACK_ONLY,
    ErrorCategory.CONSISTENCY_CHECK: _FALLBACK_ONLY,
    ErrorCategory.RATE_LIMIT: _TRANSIENT,
    ErrorCategory.TIMEOUT: _TRANSIENT,
    ErrorCategory.NETWORK: _TRANSIENT,
    ErrorCategory.PROVIDER_ERROR: _TRANSIENT,
    ErrorCategory.RESOURCE: _TRANSIENT,
    ErrorCategory.STORAGE: _TRANSIENT,
    ErrorCategory.INTERNAL: _TRANSIENT,
}

WORKER_LOST = "WORKER_LOST"
"""Failure type of an attempt whose worker shut down; like a missed heartbeat it is not counted."""

UNSERVED = "UNSERVED"
"""Failure type of an attempt that its worker cannot do yet: nobody tried it, and it waits on."""

SUBMISSION_UNKNOWN = "SUBMISSION_UNKNOWN"
"""Failure type of a submission whose answer was lost. The provider may have taken it and charge for
it, so that it is sent neither again nor to another: the task fails, and says so."""
