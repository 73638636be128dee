"""What follows from each category of error, and how a failed attempt reads in a record."""

from dataclasses import dataclass

from shared.contracts.enums import ErrorCategory


@dataclass(frozen=True)
class Consequence:
    """What follows from a failure.

    Attributes:
        is_retried: another try at the same provider may help; where the other side named a wait
            (Retry-After), it waits at least so long.
        falls_back: the fallback provider may do better.
        counts_against_provider: it says something about the provider, not about the request: the
            provider's breaker counts it.
    """

    is_retried: bool
    falls_back: bool
    counts_against_provider: bool


_FINAL = Consequence(is_retried=False, falls_back=False, counts_against_provider=False)
_REQUEST = Consequence(is_retried=False, falls_back=True, counts_against_provider=False)
_ACCOUNT = Consequence(is_retried=False, falls_back=True, counts_against_provider=True)
_PROVIDER = Consequence(is_retried=True, falls_back=True, counts_against_provider=True)
_OURS = Consequence(is_retried=True, falls_back=True, counts_against_provider=False)

CONSEQUENCES: dict[ErrorCategory, Consequence] = {
    ErrorCategory.VALIDATION: _FINAL,
    ErrorCategory.CANCELLED: _FINAL,
    ErrorCategory.CONTENT_POLICY: _REQUEST,
    ErrorCategory.CONSISTENCY_CHECK: _REQUEST,
    ErrorCategory.AUTHENTICATION: _ACCOUNT,
    ErrorCategory.QUOTA_EXCEEDED: _ACCOUNT,
    ErrorCategory.RATE_LIMIT: _PROVIDER,
    ErrorCategory.TIMEOUT: _PROVIDER,
    ErrorCategory.NETWORK: _PROVIDER,
    ErrorCategory.PROVIDER_ERROR: _PROVIDER,
    ErrorCategory.RESOURCE: _PROVIDER,
    ErrorCategory.STORAGE: _OURS,
    ErrorCategory.INTERNAL: _OURS,
}

WORKER_LOST = "WORKER_LOST"
"""Failure type of an attempt whose worker shut down; like a missed heartbeat it is not counted."""

UNSERVED = "UNSERVED"
"""Failure type of an attempt that its worker cannot do yet: nobody tried it, and it waits on."""

CROWDED = "CROWDED"
"""Failure type of what was not begun, since its tenant holds its share: it is offered again."""

SUBMISSION_UNKNOWN = "SUBMISSION_UNKNOWN"
"""Failure type of a submission whose answer was lost. The provider may have taken it and charge for
it, so that it is sent neither again nor to another: the task fails, and says so."""
