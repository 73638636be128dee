"""The evaluation of one picture: by the vendor that is named, or by the first that responds."""

import time
from collections.abc import Sequence

from pydantic import ValidationError

from provider_worker.calls import CallLog
from provider_worker.evaluation.findings import findings_of
from provider_worker.evaluation.look import Look
from provider_worker.evaluation.prompt import chat_of
from provider_worker.evaluation.settings import EvaluationSettings
from provider_worker.llm.chat import Picture
from provider_worker.llm.chats import Chats
from provider_worker.llm.errors import NAMES
from provider_worker.wire.limits import RateLimit
from shared.contracts.enums import AiProvider, ErrorCategory, ProviderType
from shared.contracts.error_text import describe_faults
from shared.contracts.evaluation import (
    NO_EVALUATOR,
    Evaluation,
    EvaluationFindings,
    EvaluationJob,
    EvaluationTry,
)
from shared.contracts.service_requests import ServiceRequest
from shared.errors import PlatformError, SubmissionUnknownError

_BUDGET_S = 70.0
"""Longest time of all requests of one evaluation, and of the wait for the rate limit before them;
the run allows 90 s with the picture's."""
_LEAST_S = 10.0
"""Time that is left below which no further vendor is asked."""
_LONGEST_TURN_S = 10.0
"""Longest wait for the worker's own rate limit: a client waits for the findings."""
_ASKS_ANOTHER = frozenset(
    {
        ErrorCategory.NETWORK,
        ErrorCategory.AUTHENTICATION,
        ErrorCategory.QUOTA_EXCEEDED,
        ErrorCategory.RATE_LIMIT,
        ErrorCategory.PROVIDER_ERROR,
    }
)
"""Failures that say nothing about the picture or the request."""


class NoEvaluatorError(PlatformError):
    """No vendor could be asked; nothing was evaluated."""

    failure_type = NO_EVALUATOR


class EvaluationFailedError(PlatformError):
    """The vendors that were asked have not evaluated the picture.

    Args:
        error: of the last one.
        tries: all requests, oldest first.
        service_requests: the same, as calls.
    """

    def __init__(
        self,
        error: PlatformError,
        tries: Sequence[EvaluationTry],
        service_requests: Sequence[ServiceRequest],
    ) -> None:
        super().__init__(
            "; ".join(each.error or "" for each in tries),
            category=error.category,
            service_requests=service_requests,
        )
        self.tries = list(tries)
        self.failure_type = error.failure_type


class Evaluator:
    """Evaluates pictures by the chats of vendors.

    Args:
        chats: the vendors that have credentials.
        settings: order of vendors, and the timeout.
        submits: limit on the rate of requests.
    """

    def __init__(self, chats: Chats, settings: EvaluationSettings, submits: RateLimit) -> None:
        self._chats = chats
        self._settings = settings
        self._submits = submits

    def vendors_for(self, job: EvaluationJob) -> list[AiProvider]:
        """Return the vendors to ask, in order.

        Raises:
            NoEvaluatorError: there is none.
        """
        named = job.provider.vendor
        wanted = self._settings.order if named is None else (named,)
        skip = job.skip if named is None else []
        served = [vendor for vendor in dict.fromkeys(wanted) if self._chats.serves(vendor)]
        if found := [vendor for vendor in served if vendor not in skip]:
            return found
        names = ", ".join(served or wanted)
        why = "skipped, since their circuit breakers are open" if served else "without credentials"
        raise NoEvaluatorError(f"no provider can be asked: {names} {why}")

    async def evaluate(self, job: EvaluationJob, picture: Picture) -> Evaluation:
        """Ask one vendor; with `auto`, another one after a failure that certainly costs nothing.

        Raises:
            NoEvaluatorError: no vendor can be asked.
            CrowdedError: the rate limit permits no request now.
            EvaluationFailedError: those that were asked have failed.
        """
        tries: list[EvaluationTry] = []
        calls: list[ServiceRequest] = []
        failure: PlatformError | None = None
        vendors = self.vendors_for(job)
        ends_s = time.monotonic() + _BUDGET_S
        await self._submits.turn(max_wait_s=_LONGEST_TURN_S)  # further vendors are rarely asked
        for vendor in vendors:
            left_s = ends_s - time.monotonic()
            if tries and left_s < _LEAST_S:
                break
            log = CallLog(ProviderType.AI_CORE, attempt=len(tries) + 1)
            try:
                findings = await self._ask(vendor, job, picture, log, timeout_s=left_s)
            except PlatformError as error:
                failure = error
                message = f"{_refused(vendor, error)}{error}"
                calls += log.requests
                tries.append(EvaluationTry(provider=vendor, category=error.category, error=message))
                if not _asks_another(error, log):
                    break
                continue
            tries.append(EvaluationTry(provider=vendor))
            return Evaluation(**dict(findings), tries=tries)
        assert failure is not None
        raise EvaluationFailedError(failure, tries, calls)

    async def _ask(
        self,
        vendor: AiProvider,
        job: EvaluationJob,
        picture: Picture,
        log: CallLog,
        *,
        timeout_s: float,
    ) -> EvaluationFindings:
        chat = chat_of(
            picture,
            model=self._chats.default_model(vendor),
            with_descriptions=job.include_descriptions,
            custom_instructions=job.custom_instructions,
        )
        limit_s = min(timeout_s, self._settings.timeout_s)
        reply = await self._chats.ask(vendor, chat, log, timeout_s=limit_s)
        try:
            look = Look.model_validate(reply.json)
        except ValidationError as error:
            raise PlatformError(
                f"{NAMES[vendor]}'s reply does not follow the schema: {describe_faults(error)}",
                category=ErrorCategory.PROVIDER_ERROR,
            ) from error
        return findings_of(look, with_descriptions=job.include_descriptions)


def _asks_another(error: PlatformError, log: CallLog) -> bool:
    """Return true if another vendor may be asked: this one has certainly not charged anything."""
    is_unknown = isinstance(error, SubmissionUnknownError)
    was_accepted = any(each.status is not None and each.status < 300 for each in log.requests)
    return error.category in _ASKS_ANOTHER and not is_unknown and not was_accepted


def _refused(vendor: AiProvider, error: PlatformError) -> str:
    is_refusal = error.category is ErrorCategory.CONTENT_POLICY
    return f"{NAMES[vendor]} refused the picture: " if is_refusal else ""
