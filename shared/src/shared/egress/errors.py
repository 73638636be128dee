"""What can go wrong with an outgoing request, by whether another try can help."""

from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError, PlatformError


class ForbiddenUrlError(InvalidInputError, ValueError):
    """A URL that is not called, whoever asks; the message says why. No retry helps."""


def private_url(reason: str) -> ForbiddenUrlError:
    """An address of no public host; the message names the setting that allows some."""
    setting = "SARTIQ_EGRESS_ALLOWED_HOSTS"
    return ForbiddenUrlError(f"{reason}; whoever runs this platform can allow it in {setting}")


class FetchError(PlatformError):
    """The other side could not be reached, or its answer is of no use.

    Its category says whether a retry can help: NETWORK, TIMEOUT and RATE_LIMIT may pass, VALIDATION
    will not.
    """

    category = ErrorCategory.NETWORK


class TooLargeError(FetchError):
    """What the URL points at has more bytes than are taken."""

    category = ErrorCategory.VALIDATION
