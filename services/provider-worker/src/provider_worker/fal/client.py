"""fal's queue over HTTP: one call, one answer, one entry in the log. Nothing is sent twice here.

fal's own client is not used: it sends a submission up to ten times when the connection drops, and
each of them may be paid (docs/decisions/0012).
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
_MAX_ANSWER_BYTES = 1024 * 1024
_THREADS = 2
_HIDDEN = "(key)"


@dataclass(frozen=True)
class FalRequest:
    """What may be sent again: a question, or a cancellation.

    Attributes:
        method: GET, or PUT of a cancellation.
        url: where it goes.
        request_id: fal's id of the request that it is about.
        timeout_s: how long an answer may take; none: as configured.
        max_bytes: of the answer, unless that is an error.
        is_poll: one of hundreds that are asked in a wait.
    """

    method: str
    url: str
    request_id: str
    timeout_s: float | None = None
    max_bytes: int = _MAX_ANSWER_BYTES
    is_poll: bool = False


class FalQueue:
    """Connections to the configured origin, and the key.

    Args:
        settings: origin, key and times.
    """

    def __init__(self, settings: FalSettings) -> None:
        self.base = str(settings.base_url)
        self._settings = settings
        # A kept connection may be closed by fal at the moment it is used again. For a question that
        # is a second try, for a submission it would be an unknown.
        self._submissions = self._client(httpx.Limits(max_keepalive_connections=0))
        self._questions = self._client(httpx.Limits(max_keepalive_connections=20))
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="fal-answers")

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
            PlatformError: NETWORK, retryable: the request certainly never left.
            SubmissionUnknownError: it left, at least in part, and there was no whole answer.
        """
        call = Call("POST", url)
        has_left = False

        async def trace(event: str, _info: Mapping[str, Any]) -> None:
            nonlocal has_left
            has_left |= event.endswith("send_request_headers.started")

        request = self._submissions.build_request(
            "POST",
            url,
            json=body,
            extensions={"trace": trace},
            timeout=httpx.Timeout(self._settings.submit_timeout_s, connect=_CONNECT_TIMEOUT_S),
        )
        try:
            async with asyncio.timeout(self._settings.submit_timeout_s):
                return await self._sent(self._submissions, request, call, _MAX_ANSWER_BYTES)
        except (httpx.HTTPError, TimeoutError, ResponseTooLargeError) as error:
            why = self._redacted(error)
            if has_left:
                raise SubmissionUnknownError(
                    f"fal may have taken the work, but its answer was lost ({why});"
                    " it is not sent again"
                ) from None
            raise PlatformError(
                f"fal was not reached ({why}); nothing was sent", category=ErrorCategory.NETWORK
            ) from None
        finally:
            log.add(call)

    async def ask(self, question: FalRequest, log: CallLog) -> FalResponse:
        """Send what may be sent again.

        Raises:
            PlatformError: NETWORK or TIMEOUT: there was no whole answer.
            ResponseTooLargeError: it is longer than may be.
        """
        call = Call(question.method, question.url, question.request_id)
        limit_s = question.timeout_s or self._settings.answer_timeout_s
        request = self._questions.build_request(
            question.method,
            question.url,
            timeout=httpx.Timeout(limit_s, connect=min(limit_s, _CONNECT_TIMEOUT_S)),
        )
        try:
            async with asyncio.timeout(limit_s):
                return await self._sent(self._questions, request, call, question.max_bytes)
        except (TimeoutError, httpx.TimeoutException):
            raise PlatformError(
                f"fal did not answer within {limit_s:g} s", category=ErrorCategory.TIMEOUT
            ) from None
        except httpx.HTTPError as error:
            why = self._redacted(error)
            raise PlatformError(
                f"fal did not answer ({why})", category=ErrorCategory.NETWORK
            ) from None
        finally:
            log.add(call, is_poll=question.is_poll)

    async def apart(self, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Read an answer on a thread: a large one must not hold up all others' work."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: read(*args, **kwargs))

    async def _sent(
        self, client: httpx.AsyncClient, request: httpx.Request, call: Call, max_bytes: int
    ) -> FalResponse:
        response = await client.send(request, stream=True)
        try:
            call.answered(response.status_code)
            call.request_id = response.headers.get("x-fal-request-id", call.request_id)
            content = await _read(response, max_bytes)
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return await self.apart(self._parsed, response.status_code, headers, content)

    def _parsed(self, status: int, headers: Mapping[str, str], content: bytearray) -> FalResponse:
        key = self._settings.key.get_secret_value().encode()
        response = FalResponse(status, headers, bytes(content.replace(key, _HIDDEN.encode())))
        response.parse()
        return response

    def _redacted(self, error: Exception) -> str:
        """What went wrong, without the key, should anybody quote it."""
        told = f"{type(error).__name__} {error}".strip()
        return told.replace(self._settings.key.get_secret_value(), _HIDDEN)

    async def close(self) -> None:
        """Let the connections go."""
        await self._submissions.aclose()
        await self._questions.aclose()
        self._threads.shutdown(wait=False)


async def _read(response: httpx.Response, max_bytes: int) -> bytearray:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > max_bytes:
            if response.is_success:
                raise ResponseTooLargeError(max_bytes)
            break  # its status says enough
    return content
