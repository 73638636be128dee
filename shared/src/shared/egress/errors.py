"""Exceptions of guarded requests."""

from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError, PlatformError


class ForbiddenUrlError(InvalidInputError, ValueError):
    """A URL that may not be called; the message says why. A retry does not help."""


class PrivateUrlError(ForbiddenUrlError):
    """A URL whose host is not public; the message names the setting that allows hosts.

    Attributes:
        reason: the message without the setting, for URLs that are not the client's own.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason}; the operator of this server can allow it in SARTIQ_EGRESS_ALLOWED_HOSTS"
        )
        self.reason = reason


class FetchError(PlatformError):
    """The host could not be reached, or its response is not usable.

    The category decides on retries: NETWORK, TIMEOUT and RATE_LIMIT are temporary, VALIDATION is
    not.
    """

    category = ErrorCategory.NETWORK


class TooLargeError(FetchError):
    """The response body is larger than allowed."""

    category = ErrorCategory.VALIDATION
