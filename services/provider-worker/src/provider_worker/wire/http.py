"""HTTP client of a provider's queue: paid requests are sent once, all others can be repeated.

Vendors' own clients are not used: they repeat a submission whose response is lost, and each of the
repetitions may be charged (docs/decisions/0012).
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

import httpx

from provider_worker.calls import Call, CallLog
from provider_worker.errors import ResponseTooLargeError
from provider_worker.settings import ProviderSettings
from provider_worker.wire.limits import RateLimit
from provider_worker.wire.once import Gate, one_request
from provider_worker.wire.response import WireResponse
from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError, PlatformError, SubmissionUnknownError

_P = ParamSpec("_P")
_T = TypeVar("_T")
_R = TypeVar("_R", bound=WireResponse)
_CONNECT_TIMEOUT_S = 5.0
_MAX_RESPONSE_BYTES = 1024 * 1024
_THREADS = 2
_SMALL_BYTES = 16 * 1024
"""A body up to this size is parsed at once: a thread costs more than parsing a status."""
_HIDDEN = "(key)"


@dataclass(frozen=True, kw_only=True)
class Access:
    """A provider's origin and our credentials.

    Attributes:
        name: of the provider, in error messages.
        origin: the URL to which alone the credentials are sent.
        auth: the authentication header.
        key: the secret in it, which is removed from everything that the provider returns.
        request_id_header: response header with the provider's id of a request.
        submit_timeout_s: limit of a submission; after it, the outcome is unknown.
        response_timeout_s: limit of every other request.
    """

    name: str
    origin: str
    auth: Mapping[str, str]
    key: str
    request_id_header: str = "x-request-id"
    submit_timeout_s: float = 30
    response_timeout_s: float = 15

    @classmethod
    def of(
        cls,
        settings: ProviderSettings,
        *,
        name: str,
        auth: Mapping[str, str],
        request_id_header: str = "x-request-id",
    ) -> "Access":
        """Return the access that settings give."""
        return cls(
            name=name,
            origin=str(settings.base_url).rstrip("/"),
            auth=auth,
            key=settings.key.get_secret_value(),
            request_id_header=request_id_header,
            submit_timeout_s=settings.submit_timeout_s,
            response_timeout_s=settings.answer_timeout_s,
        )


@dataclass(frozen=True)
class Ask:
    """An idempotent request about submitted work: status, result or cancellation.

    Attributes:
        method: GET, or another that can be repeated, such as PUT for a cancellation.
        url: its URL.
        request_id: the provider's id of the submitted work.
        timeout_s: timeout of the response; none: as configured.
        max_bytes: size limit of a successful response.
        is_poll: true for status polls, of which the log keeps a selection.
    """

    method: str
    url: str
    request_id: str
    timeout_s: float | None = None
    max_bytes: int = _MAX_RESPONSE_BYTES
    is_poll: bool = False


class PaidHttp(Generic[_R]):
    """Connections to a provider's queue.

    Args:
        access: origin, credentials and timeouts.
        response: the class of the provider's responses.
        requests: limits the rate of all requests; none: unlimited.
    """

    def __init__(
        self, access: Access, response: type[_R], *, requests: RateLimit | None = None
    ) -> None:
        self.access = access
        self._response = response
        self._limit = requests or RateLimit(0)
        self._submissions = self._client(Gate(access.request_id_header))
        self._asks = self._client(
            httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=20))
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"{access.name}-responses")

    def _client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            headers={
                **self.access.auth,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "sartiq-compute",
            },
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )

    async def submit(
        self,
        url: str,
        body: Mapping[str, Any],
        log: CallLog,
        headers: Mapping[str, str] | None = None,
    ) -> _R:
        """POST once.

        Raises:
            InvalidInputError: JSON cannot express the request; nothing was sent.
            PlatformError: NETWORK, retryable: no byte of the request was sent.
            SubmissionUnknownError: some of it was sent, and there was no complete response.
        """
        name, limit_s = self.access.name, self.access.submit_timeout_s
        sent_headers = {"Content-Type": "application/json", **(headers or {})}
        timeout = httpx.Timeout(limit_s, connect=min(limit_s, _CONNECT_TIMEOUT_S))
        async with one_request(log, max_bytes=_MAX_RESPONSE_BYTES) as passage:
            try:
                async with asyncio.timeout(limit_s):
                    encoded = await self.in_thread(_encoded, body)  # pictures make it large
                    response = await self._submissions.post(
                        url, content=encoded, headers=sent_headers, timeout=timeout
                    )
            except (httpx.HTTPError, TimeoutError, ResponseTooLargeError) as error:
                why = self._redacted(error)
                if passage.has_left:
                    raise SubmissionUnknownError(
                        f"{name}'s response was lost ({why}); {name} may have accepted the work,"
                        " so it is not sent again"
                    ) from None
                raise PlatformError(
                    f"{name} could not be reached ({why}); nothing was sent",
                    category=ErrorCategory.NETWORK,
                ) from None
        return await self._read(response, response.content)

    async def ask(self, ask: Ask, log: CallLog) -> _R:
        """Send an idempotent request once, when the rate limit permits it.

        Raises:
            PlatformError: NETWORK or TIMEOUT: there was no complete response.
            ResponseTooLargeError: the response exceeds its size limit.
        """
        await self._limit.turn()
        name, limit_s = self.access.name, ask.timeout_s or self.access.response_timeout_s
        call = Call(ask.method, ask.url, ask.request_id)
        timeout = httpx.Timeout(limit_s, connect=min(limit_s, _CONNECT_TIMEOUT_S))
        request = self._asks.build_request(ask.method, ask.url, timeout=timeout)
        try:
            async with asyncio.timeout(limit_s):
                response = await self._asks.send(request, stream=True)
                try:
                    call.status = response.status_code
                    header = self.access.request_id_header
                    call.request_id = response.headers.get(header, call.request_id)
                    content = await _content(response, ask.max_bytes)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise PlatformError(
                f"{name} did not respond within {limit_s:g} s", category=ErrorCategory.TIMEOUT
            ) from None
        except httpx.HTTPError as error:
            raise PlatformError(
                f"{name} did not respond ({self._redacted(error)})", category=ErrorCategory.NETWORK
            ) from None
        finally:
            log.add(call, is_poll=ask.is_poll)
        return await self._read(response, content)

    async def in_thread(self, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a function in a thread: parsing a large response must not block the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: read(*args, **kwargs))

    async def parse(
        self, response: _R, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a function that reads a response: in a thread if the response is large."""
        if len(response.content) <= _SMALL_BYTES:
            return read(*args, **kwargs)
        return await self.in_thread(read, *args, **kwargs)

    async def _read(self, response: httpx.Response, content: bytes | bytearray) -> _R:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if len(content) <= _SMALL_BYTES:
            return self._parsed(response.status_code, headers, content)
        return await self.in_thread(self._parsed, response.status_code, headers, content)

    def _parsed(self, status: int, headers: Mapping[str, str], content: bytes | bytearray) -> _R:
        key = self.access.key.encode()
        response = self._response(status, headers, bytes(content.replace(key, _HIDDEN.encode())))
        response.parse()
        return response

    def _redacted(self, error: Exception) -> str:
        """Describe an error, with the key removed."""
        return f"{type(error).__name__} {error}".strip().replace(self.access.key, _HIDDEN)

    async def close(self) -> None:
        """Close connections and threads."""
        await self._submissions.aclose()
        await self._asks.aclose()
        self._threads.shutdown(wait=False)


def _encoded(body: Mapping[str, Any]) -> bytes:
    """Return the body of a request.

    Raises:
        InvalidInputError: JSON cannot express it.
    """
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        raise InvalidInputError(
            "the request has a number or a character that JSON does not have; nothing was sent"
        ) from None


async def _content(response: httpx.Response, max_bytes: int) -> bytearray:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > max_bytes:
            if response.is_success:
                raise ResponseTooLargeError(max_bytes)
            break  # the status of an error is enough
    return content
