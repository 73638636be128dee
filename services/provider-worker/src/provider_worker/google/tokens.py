"""Access tokens of a Vertex AI project, from a service account or the machine's own identity.

They are fetched before a paid request and outside its gate: free of charge, and repeatable.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import google.auth
from google.auth import exceptions
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from requests import Session

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_TIMEOUT_S = 15
_LONGEST = 200


class Tokens:
    """The tokens of one identity; one is used until a few minutes before it expires.

    Args:
        credentials_file: JSON key of a service account; none: Application Default Credentials.
    """

    def __init__(self, credentials_file: Path | None) -> None:
        self._file = credentials_file
        self._credentials: Any = None
        self._lock = asyncio.Lock()
        self._session = Session()
        self._session.trust_env = False  # no proxies and no .netrc
        self._session.max_redirects = 0
        self._request = partial(Request(self._session), timeout=_TIMEOUT_S)

    async def token(self) -> str:
        """Return a valid token.

        Raises:
            PlatformError: the credentials are missing or refused (AUTHENTICATION), or the token
                endpoint does not respond (NETWORK).
        """
        async with self._lock:
            try:
                return await asyncio.to_thread(self._fresh)
            except (exceptions.GoogleAuthError, OSError, ValueError) as error:
                raise _failed(error) from None  # its cause may quote a response

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def _fresh(self) -> str:
        if self._credentials is None:
            self._credentials = self._loaded()
        if not self._credentials.valid or self._credentials.expired:
            self._credentials.refresh(self._request)
        return str(self._credentials.token)

    def _loaded(self) -> Any:
        if self._file is not None:
            return service_account.Credentials.from_service_account_file(  # pyright: ignore[reportUnknownMemberType] -- untyped
                str(self._file), scopes=_SCOPES
            )
        found: tuple[Any, str | None] = google.auth.default(  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] -- untyped
            scopes=_SCOPES, request=self._request
        )
        return found[0]


def _failed(error: Exception) -> PlatformError:
    # The further arguments of these errors quote the endpoint's response.
    told = str(error.args[0])[:_LONGEST] if error.args else type(error).__name__
    if isinstance(error, exceptions.TransportError) or getattr(error, "retryable", False):
        what, category = "Google's token endpoint does not respond", ErrorCategory.NETWORK
    else:
        what, category = "Google gave no access token", ErrorCategory.AUTHENTICATION
    return PlatformError(f"{what} ({told}); nothing was sent", category=category)
