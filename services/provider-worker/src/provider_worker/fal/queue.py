"""Requests about submitted work in fal's queue: status, result, cancellation."""

from provider_worker.calls import CallLog
from provider_worker.errors import ResponseTooLargeError, UnusableResultError
from provider_worker.fal.errors import poll_error, result_error
from provider_worker.fal.response import FalResponse
from provider_worker.fal.results import billed_units, logged_progress
from provider_worker.fal.urls import request_url
from provider_worker.fal.wire import CancelResponse, QueueStatus
from provider_worker.outcomes import WithdrawalResult
from provider_worker.wire.http import Ask, PaidHttp
from shared.contracts.service_requests import BilledUnits
from shared.contracts.submissions import SubmittedWork

_WITHDRAW_TIMEOUT_S = 5.0
_WITHDRAWN = frozenset({"OK"})
"""Without CANCELLATION_REQUESTED: running work gets a signal, which it may ignore."""
_NOT_WITHDRAWN = {
    "CANCELLATION_REQUESTED": "; work that has started may run to its end and be charged"
}


class QueuedRequest:
    """One request in fal's queue.

    Args:
        http: connections to the queue.
        work: the submitted work, with fal's id and URLs.
        log: receives the requests about it.
    """

    def __init__(self, http: PaidHttp[FalResponse], work: SubmittedWork, log: CallLog) -> None:
        self._http = http
        self._provider = work.provider_type
        self._submission = work.submission
        self._log = log
        self._has_logs = True

    async def status(self) -> tuple[QueueStatus, float | None]:
        """Read the status, and the progress from 0 to 1 by its logs.

        Raises:
            PlatformError: there is no status.
        """
        url = self._url("status_url")
        try:
            response = await self._ask("GET", f"{url}?logs=1" if self._has_logs else url)
        except ResponseTooLargeError:  # the app writes too many log lines
            if not self._has_logs:
                raise
            self._has_logs = False
            response = await self._ask("GET", url)
        if not response.is_success:
            raise poll_error(response)
        status = await self._http.parse(response, response.read, QueueStatus)
        if status is None:
            raise poll_error(response)
        return status, await self._http.parse(response, logged_progress, status.logs)

    async def result(self, max_bytes: int) -> FalResponse:
        """Read the result.

        Raises:
            UnusableResultError: it is larger than `max_bytes`.
            PlatformError: there is no result; fal may have billed units all the same.
        """
        request_id = self._submission.request_id
        ask = Ask("GET", self._url("response_url"), request_id, max_bytes=max_bytes)
        try:
            response = await self._http.ask(ask, self._log)
        except ResponseTooLargeError as error:
            raise UnusableResultError(
                f"{error}; let the app return URLs (sync_mode false)"
            ) from error
        if not response.is_success:
            raise result_error(response, self.billed(response))
        return response

    def billed(self, response: FalResponse) -> list[BilledUnits]:
        """Return the units that fal charged, by the response to the result request."""
        app_id = str(self._submission.handle.get("app", ""))
        return billed_units(response, self._provider, app_id)

    async def cancel(self) -> WithdrawalResult:
        """Cancel it. Work that has started may run on and be charged.

        Raises:
            PlatformError: fal gave no response to the cancellation.
        """
        request_id = self._submission.request_id
        ask = Ask("PUT", self._url("cancel_url"), request_id, timeout_s=_WITHDRAW_TIMEOUT_S)
        response = await self._http.ask(ask, self._log)
        body = response.read(CancelResponse)
        if body is None and (response.is_success or response.status not in (400, 404, 405, 409)):
            raise poll_error(response)
        status = body.status if body else str(response.status)
        is_withdrawn = response.is_success and status in _WITHDRAWN
        note = "" if is_withdrawn else _NOT_WITHDRAWN.get(status, "; the work was not withdrawn")
        return WithdrawalResult(is_withdrawn, f"fal returned {status} to the cancellation{note}")

    async def _ask(self, method: str, url: str) -> FalResponse:
        ask = Ask(method, url, self._submission.request_id, is_poll=True)
        return await self._http.ask(ask, self._log)

    def _url(self, name: str) -> str:
        origin, submission = self._http.access.origin, self._submission
        return request_url(origin, submission.handle, submission.request_id, name)
