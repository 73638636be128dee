"""Translation of exceptions into Temporal failures, whose type is the error category."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from shared.contracts.enums import ErrorCategory
from shared.contracts.error_text import without_reprs
from shared.contracts.failures import CONSEQUENCES, WORKER_LOST
from shared.contracts.service_requests import CallReport
from shared.contracts.untrusted import clean_text, describe_error, storable_cause
from shared.errors import PlatformError

_RETRY_AFTER_MAX_S = 86_400.0


class ErrorInterceptor(Interceptor):
    """Translates exceptions of activities. All workers use it."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 — the SDK's name
        """Wrap the activity call."""
        return _Translate(next)


class _Translate(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 — the SDK's name
        try:
            return await self.next.execute_activity(input)
        except ApplicationError:
            raise
        except PlatformError as error:
            calls = CallReport(
                service_requests=list(error.service_requests), billed=list(error.billed)
            )
            raise ApplicationError(
                clean_text(without_reprs(str(error))),
                *calls.to_details(),
                type=error.failure_type or error.category,
                non_retryable=error.is_final or not CONSEQUENCES[error.category].is_retried,
                next_retry_delay=(
                    timedelta(seconds=min(error.retry_after_s, _RETRY_AFTER_MAX_S))
                    if error.retry_after_s
                    else None
                ),
            ) from storable_cause(error)
        except asyncio.CancelledError:
            if _is_shutting_down():
                raise ApplicationError("the worker shut down", type=WORKER_LOST) from None
            raise
        except Exception as error:  # noqa: BLE001 — reported to Temporal, which decides on retries
            raise ApplicationError(
                describe_error(error), type=ErrorCategory.INTERNAL
            ) from storable_cause(error)


def _is_shutting_down() -> bool:
    details = activity.cancellation_details()
    return activity.is_worker_shutdown() and not (details and details.cancel_requested)
