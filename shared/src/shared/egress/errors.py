"""Exceptions of guarded requests."""

from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError, PlatformError


class ForbiddenUrlError(InvalidInputError, ValueError):
    """A URL that may not be called; the message says why. A retry does not help."""


def private_url(reason: str) -> ForbiddenUrlError:
    """Return the error for a host that is not public; it names the setting that allows hosts."""
    setting = "SARTIQ_EGRESS_ALLOWED_HOSTS"
    return ForbiddenUrlError(f"{reason}; the operator of this server can allow it in {setting}")


class FetchError(PlatformError):
    """The host could not be reached, or its response is not usable.

    The category decides on retries: NETWORK, TIMEOUT and RATE_LIMIT are temporary, VALIDATION is
    not.
    """

    category = ErrorCategory.NETWORK


class TooLargeError(FetchError):
    """The response body is larger than allowed."""

    category = ErrorCategory.VALIDATION
