"""Consequences of each error category, and failure types that workflows distinguish."""

from dataclasses import dataclass

from shared.contracts.enums import ErrorCategory


@dataclass(frozen=True)
class Consequence:
    """The consequences of a failure.

    Attributes:
        is_retried: the attempt is retried at the same provider, after at least the delay that the
            provider asked for (Retry-After).
        falls_back: the fallback provider is tried.
        counts_against_provider: the cause is the provider, not the request: its circuit breaker
            counts the failure.
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
"""Failure type of an attempt whose worker shut down. Like a heartbeat timeout it is retried without
counting against max_retries."""

UNSERVED = "UNSERVED"
"""Failure type of an attempt that its worker cannot run yet. It was not tried, and waits for a
worker that can."""

CROWDED = "CROWDED"
"""Failure type of work that was not started because the process has no place for it: its tenant
uses its whole share, or the provider's rate limit is used up. It is retried, and is no attempt."""

SUBMISSION_UNKNOWN = "SUBMISSION_UNKNOWN"
"""Failure type of a submission whose response was lost. The provider may have accepted it and may
charge for it, so it is neither retried nor sent to the fallback: the task fails with this error."""

REPLY_UNFIT = "REPLY_UNFIT"
"""Failure type of a model's reply that is not what the client asked for: PROVIDER_ERROR, and
retried, but not counted against the provider. A client could ask for what no model replies, and so
open the circuit breaker for all others."""

WORK_DROPPED = "WORK_DROPPED"
"""Failure type of accepted work that the provider dropped before it started, because the time that
the request allowed was over: TIMEOUT, but nothing runs and nothing is charged, so it is retried."""
