"""Translation of a provider's responses to errors by the certainty that it leaves. Pure."""

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from provider_worker.wire.response import WireResponse
from shared.contracts.enums import ErrorCategory as Category
from shared.errors import PlatformError, SubmissionUnknownError

_R = TypeVar("_R", bound=WireResponse)
_BY_STATUS = {
    401: Category.AUTHENTICATION,
    402: Category.QUOTA_EXCEEDED,
    403: Category.AUTHENTICATION,
    408: Category.NETWORK,
    429: Category.RATE_LIMIT,
}
_DISCONNECTED = 499
"""Status of a request whose client had gone, as the provider or its proxy saw it."""
PASSING = frozenset({408, 429})
"""Statuses below 500 after which the same request may succeed."""
_URL_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", re.IGNORECASE)
"""Providers quote the URLs of a request; the query of a presigned URL holds its signature."""
_PICTURE = re.compile(r"(data:[\w/+.-]{1,100};base64,)?[A-Za-z0-9+/]{100,}={0,2}")


class Errors(Generic[_R]):
    """The errors of one provider.

    Args:
        name: of the provider, in messages.
        category_of: returns the category of an error response.
        is_refusal: returns true for a response of 5xx to a submission if the provider itself sent
            it, and refused the work. A proxy in its place knows nothing about the work.
    """

    def __init__(
        self,
        name: str,
        category_of: Callable[[_R], Category],
        is_refusal: Callable[[_R], bool],
    ) -> None:
        self._name = name
        self._category_of = category_of
        self._is_refusal = is_refusal

    def submission(self, response: _R) -> PlatformError:
        """Translate the response to a submission that the provider did not accept.

        After a refusal by the provider itself nothing was accepted and nothing will be charged. If
        a proxy responded in its place, it may have accepted the work nevertheless.
        """
        name = self._name
        if response.is_success:
            return SubmissionUnknownError(
                f"{name} returned {response.status} with an unreadable body; {name} may have"
                " accepted the work, so it is not sent again"
            )
        is_known = 400 <= response.status < 500 and response.status != _DISCONNECTED
        if is_known or self._is_refusal(response):
            return self.of(response, self._category_of(response))
        return SubmissionUnknownError(
            f"{self._described(response)}; {name} may have accepted the work, so it is not sent"
            " again"
        )

    def poll(self, response: _R) -> PlatformError:
        """Translate a failed status request.

        The provider has accepted the work and may be working on it. An error of its servers
        therefore counts as NETWORK and is retried. The wait ends only if the provider does not know
        the request or refuses it; then the work may go on, and is not submitted again unless the
        provider confirms that it dropped it.
        """
        if response.status in PASSING or response.status >= 500 or response.is_success:
            is_limit = response.status == 429
            return self.of(response, Category.RATE_LIMIT if is_limit else Category.NETWORK)
        category = self._category_of(response)
        if category in (Category.AUTHENTICATION, Category.QUOTA_EXCEEDED):
            return self.of(response, category, is_final=True)
        note = f": {self._name} does not know the request" if response.status == 404 else ""
        return SubmissionUnknownError(f"{self._described(response)}{note}", is_final=True)

    def of(
        self, response: _R, category: Category, *, is_final: bool = False, note: str = ""
    ) -> PlatformError:
        """Return the error of a response whose category is known."""
        return PlatformError(
            f"{self._described(response)}{f': {note}' if note else ''}",
            category=category,
            retry_after_s=response.retry_after_s,
            is_final=is_final,
        )

    def _described(self, response: _R) -> str:
        message = redacted(response.message)
        return f"{self._name} returned {response.status}{f': {message}' if message else ''}"


def category_of_status(status: int) -> Category:
    """Return the category of an error status that has the usual meaning."""
    other = Category.VALIDATION if 400 <= status < 500 else Category.PROVIDER_ERROR
    return _BY_STATUS.get(status, other)


def redacted(text: str) -> str:
    """Return a text with the queries of its URLs and encoded pictures removed."""
    return _PICTURE.sub("(data)", _URL_QUERY.sub(r"\1", text))
