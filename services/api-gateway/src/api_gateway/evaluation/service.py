"""Evaluation of an image, and the evaluator's health."""

import time
from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from api_gateway.auth.ownership import Origin
from api_gateway.auth.principal import Principal
from api_gateway.creation.run_size import check_run_size
from api_gateway.errors import Fault, InvalidRequestError, Problem, unavailable
from api_gateway.evaluation.admission import Admitted, admitted, joint_state
from api_gateway.evaluation.pictures import Picture, stored, take_picture
from api_gateway.evaluation.presentation import present_findings
from api_gateway.evaluation.schemas import EvaluationRequest, EvaluationResponse, HealthStatus
from api_gateway.idempotency import reserve_key, run_id
from api_gateway.resources import Resources
from shared.contracts.enums import AiProvider, BreakerState, ErrorCategory, TaskQueue
from shared.contracts.evaluation import (
    NO_EVALUATOR,
    EvaluationFindings,
    EvaluationJob,
    EvaluationProvider,
)
from shared.contracts.owners import Owner
from shared.db.repositories.breakers import all_breakers
from shared.db.repositories.evaluations import evaluation_figures
from shared.db.repositories.idempotency import CreateRequest
from shared.temporal.pollers import count_activity_pollers
from workflows.evaluation import evaluate, find_evaluation

_POLLED_WITHIN = timedelta(seconds=70)
"""Longer than a poll without a task, which lasts a minute."""
_RETRY_AFTER_S = 30


async def evaluate_image(
    res: Resources,
    caller: Principal,
    request: EvaluationRequest,
    provider: EvaluationProvider | None,
    repeatable: CreateRequest | None,
) -> EvaluationResponse:
    """Have an image evaluated, and wait for the result.

    Returns:
        The findings; or, if the evaluator itself failed or its circuit breaker is open, the error
        with `success` false.

    Raises:
        InvalidRequestError: the image cannot be evaluated.
        Problem: 413; 422, the key was used for another request; 503, no evaluator runs.
        RunUnknownError: Temporal does not respond; a repeat with the same key gets the result.
    """
    started_s = time.monotonic()
    evaluation_id = run_id(repeatable)
    origin = Origin(
        caller.scope.origin_instance or "unknown", None, caller.scope.origin_tenant_id, None
    )
    picture = await take_picture(request, origin, evaluation_id, res, caller)
    job = EvaluationJob(
        evaluation_id=evaluation_id,
        provider=provider or res.settings.evaluation_provider,
        image_path=picture.path,
        image_url=picture.url,
        owner=Owner(
            origin_instance=origin.origin_instance, origin_tenant_id=origin.origin_tenant_id
        ),
        **request.model_dump(exclude={"image_data", "image_url"}),
    )
    check_run_size(job)
    await reserve_key(res.sessions, repeatable)
    try:
        async with admitted(res.sessions, job.provider) as admission:
            findings = await _evaluated(res, job, picture, admission, repeatable)
    except WorkflowFailureError as failed:
        return _failed(_failure(failed, picture), started_s)
    if findings is None:
        return _failed(admission.refusal or "", started_s)
    return present_findings(request, findings, elapsed_ms=_elapsed_ms(started_s))


async def _evaluated(
    res: Resources,
    job: EvaluationJob,
    picture: Picture,
    admission: Admitted,
    repeatable: CreateRequest | None,
) -> EvaluationFindings | None:
    """Return the findings; none if no vendor may be asked, and none was for the same key."""
    is_repeatable = repeatable is not None
    if admission.refusal is not None:
        return await find_evaluation(res.temporal, job.evaluation_id) if is_repeatable else None
    async with stored(res, picture, is_repeatable=is_repeatable):
        return await evaluate(res.temporal, job.model_copy(update={"skip": admission.skip}))


def _failed(error: str, started_s: float) -> EvaluationResponse:
    return EvaluationResponse(success=False, error=error, evaluation_time_ms=_elapsed_ms(started_s))


def _failure(failed: WorkflowFailureError, picture: Picture) -> str:
    """Return the evaluator's own error message; raise for every other failure."""
    cause = failed.cause
    if not isinstance(cause, ApplicationError):
        # Timed out as a whole, cancelled or terminated: the evaluator returned no error.
        raise unavailable("the evaluation") from failed
    if cause.type == NO_EVALUATOR:
        raise Problem(
            503,
            "no_evaluator",
            f"no evaluator is running on the queue `{TaskQueue.PROVIDER_LLM}`: {cause.message}; "
            "try again later",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        ) from failed
    if cause.type == ErrorCategory.VALIDATION:
        field = "image_url" if picture.url else "image_data"
        raise InvalidRequestError([Fault(("body", field), cause.message)]) from failed
    return cause.message


def _elapsed_ms(started_s: float) -> float:
    return round((time.monotonic() - started_s) * 1000, 1)


async def evaluator_health(res: Resources, provider: AiProvider | None) -> HealthStatus:
    """Return whether an evaluator polls, and figures of past evaluations.

    Raises:
        Problem: 503, Temporal does not respond.
    """
    try:
        pollers = await count_activity_pollers(
            res.temporal, TaskQueue.PROVIDER_LLM, within=_POLLED_WITHIN
        )
    except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client did not connect
        raise unavailable("Temporal") from error
    async with res.sessions() as session:
        figures = await evaluation_figures(session, provider)
        breakers = await all_breakers(session)
    vendors = [provider] if provider else {each.provider for each in figures.newest}
    breaker = joint_state(
        [each for key, each in breakers.items() if key in vendors], datetime.now(UTC)
    )
    is_healthy = pollers > 0 and breaker != BreakerState.OPEN
    recent = [attempt.is_success for attempt in figures.newest]
    return HealthStatus(
        is_healthy=is_healthy,
        health_score=_rate(sum(recent), len(recent)) if is_healthy else 0.0,
        total_evaluations=figures.total,
        success_rate=_rate(figures.succeeded, figures.total),
        average_response_time=figures.average_s,
        circuit_breaker_state=breaker,
    )


def _rate(succeeded: int, total: int) -> float:
    """Return the share of successes; 1 if there were no evaluations."""
    return succeeded / total if total else 1.0
