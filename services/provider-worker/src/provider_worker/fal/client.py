"""HTTP client of fal's queue. It never sends a request twice, and logs each.

fal's own client is not used: it repeats a submission up to ten times when the connection drops, and
each of them may be charged (docs/decisions/0012).
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import httpx

from provider_worker.calls import Call, CallLog
from provider_worker.errors import ResponseTooLargeError
from provider_worker.fal.response import FalResponse
from provider_worker.settings import FalSettings
from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError, SubmissionUnknownError

_P = ParamSpec("_P")
_T = TypeVar("_T")
_CONNECT_TIMEOUT_S = 5.0
_MAX_RESPONSE_BYTES = 1024 * 1024
_THREADS = 2
_HIDDEN = "(key)"


@dataclass(frozen=True)
class FalRequest:
    """An idempotent request about submitted work: status, result or cancellation.

    Attributes:
        method: GET, or PUT for a cancellation.
        url: its URL.
        request_id: fal's id of the submitted work.
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


class FalQueue:
    """Connections to fal's queue, authenticated with the API key.

    Args:
        settings: origin, key and timeouts.
    """

    def __init__(self, settings: FalSettings) -> None:
        self.base = str(settings.base_url)
        self._settings = settings
        # No keep-alive for submissions: fal may close an idle connection just as it is used again,
        # and the outcome of that submission would be unknown. Other requests are retried.
        self._submissions = self._client(httpx.Limits(max_keepalive_connections=0))
        self._requests = self._client(httpx.Limits(max_keepalive_connections=20))
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="fal-responses")

    def _client(self, limits: httpx.Limits) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            headers={
                "Authorization": f"Key {self._settings.key.get_secret_value()}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "sartiq-compute",
            },
            limits=limits,
            trust_env=False,
            follow_redirects=False,
        )

    async def submit(self, url: str, body: Mapping[str, Any], log: CallLog) -> FalResponse:
        """POST once.

        Raises:
            PlatformError: NETWORK, retryable: no byte of the request was sent.
            SubmissionUnknownError: some of it was sent, and there was no complete response.
        """
        call = Call("POST", url)
        is_sent = False

        async def trace(event: str, _info: Mapping[str, Any]) -> None:
            nonlocal is_sent
            is_sent |= event.endswith("send_request_headers.started")

        request = self._submissions.build_request(
            "POST",
            url,
            json=body,
            extensions={"trace": trace},
            timeout=httpx.Timeout(self._settings.submit_timeout_s, connect=_CONNECT_TIMEOUT_S),
        )
        try:
            async with asyncio.timeout(self._settings.submit_timeout_s):
                return await self._send(self._submissions, request, call, _MAX_RESPONSE_BYTES)
        except (httpx.HTTPError, TimeoutError, ResponseTooLargeError) as error:
            why = self._redacted(error)
            if is_sent:
                raise SubmissionUnknownError(
                    f"fal's response was lost ({why}); fal may have accepted the work,"
                    " so it is not sent again"
                ) from None
            raise PlatformError(
                f"fal could not be reached ({why}); nothing was sent",
                category=ErrorCategory.NETWORK,
            ) from None
        finally:
            log.add(call)

    async def send(self, request: FalRequest, log: CallLog) -> FalResponse:
        """Send an idempotent request once.

        Raises:
            PlatformError: NETWORK or TIMEOUT: there was no complete response.
            ResponseTooLargeError: the response exceeds its size limit.
        """
        call = Call(request.method, request.url, request.request_id)
        limit_s = request.timeout_s or self._settings.answer_timeout_s
        http_request = self._requests.build_request(
            request.method,
            request.url,
            timeout=httpx.Timeout(limit_s, connect=min(limit_s, _CONNECT_TIMEOUT_S)),
        )
        try:
            async with asyncio.timeout(limit_s):
                return await self._send(self._requests, http_request, call, request.max_bytes)
        except (TimeoutError, httpx.TimeoutException):
            raise PlatformError(
                f"fal did not respond within {limit_s:g} s", category=ErrorCategory.TIMEOUT
            ) from None
        except httpx.HTTPError as error:
            why = self._redacted(error)
            raise PlatformError(
                f"fal did not respond ({why})", category=ErrorCategory.NETWORK
            ) from None
        finally:
            log.add(call, is_poll=request.is_poll)

    async def in_thread(self, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a function in a thread: parsing a large response must not block the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: read(*args, **kwargs))

    async def _send(
        self, client: httpx.AsyncClient, request: httpx.Request, call: Call, max_bytes: int
    ) -> FalResponse:
        response = await client.send(request, stream=True)
        try:
            call.status = response.status_code
            call.request_id = response.headers.get("x-fal-request-id", call.request_id)
            content = await _read(response, max_bytes)
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return await self.in_thread(self._parsed, response.status_code, headers, content)

    def _parsed(self, status: int, headers: Mapping[str, str], content: bytearray) -> FalResponse:
        key = self._settings.key.get_secret_value().encode()
        response = FalResponse(status, headers, bytes(content.replace(key, _HIDDEN.encode())))
        response.parse()
        return response

    def _redacted(self, error: Exception) -> str:
        """Describe an error, with the API key removed."""
        text = f"{type(error).__name__} {error}".strip()
        return text.replace(self._settings.key.get_secret_value(), _HIDDEN)

    async def close(self) -> None:
        """Close connections and threads."""
        await self._submissions.aclose()
        await self._requests.aclose()
        self._threads.shutdown(wait=False)


async def _read(response: httpx.Response, max_bytes: int) -> bytearray:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > max_bytes:
            if response.is_success:
                raise ResponseTooLargeError(max_bytes)
            break  # the status of an error is enough
    return content
