"""The workflow of an evaluation: one attempt on one picture, while a client waits."""

from collections.abc import Sequence
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    TimeoutType,
    is_cancelled_exception,
)
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from shared.contracts.enums import ErrorCategory, TaskQueue
from shared.contracts.evaluation import (
    NO_EVALUATOR,
    Evaluation,
    EvaluationActivities,
    EvaluationFindings,
    EvaluationJob,
    EvaluationProvider,
    EvaluationRecord,
    EvaluationTry,
    FailedTries,
)
from shared.contracts.records import RecordActivities
from shared.contracts.untrusted import storable_cause
from workflows.definitions.failure import Failure, read_error
from workflows.definitions.unexpected_errors import failing_as_internal
from workflows.policies import (
    EVALUATION_RECORD_RETRY,
    EVALUATION_RECORD_TIMEOUT,
    EVALUATION_SCHEDULE_TO_START,
    EVALUATION_START_TO_CLOSE,
    ONE_ATTEMPT,
)


@workflow.defn(name="Evaluation")
class EvaluateImage:
    """Evaluation of one picture, id `evaluation-<uuid>`. A failure has its category as its type.

    A job that no worker took, or whose request was invalid, leaves no record.
    """

    @workflow.run
    async def run(self, job: EvaluationJob) -> EvaluationFindings:
        """Evaluate the picture."""
        with failing_as_internal():
            return await self._run(job)

    async def _run(self, job: EvaluationJob) -> EvaluationFindings:
        started_at = workflow.now()
        try:
            evaluation = await _evaluate(job)
        except workflow.NondeterminismError:
            raise
        except Exception as error:
            if is_cancelled_exception(error):
                raise
            failure, tries = _read(error), _tries_of(error)
            category = failure.category
            if tries:
                await _record(job, started_at, tries, failure.message)
                if category is ErrorCategory.VALIDATION:  # the vendor refused our request
                    category = ErrorCategory.PROVIDER_ERROR
            elif category is not ErrorCategory.VALIDATION:
                await _record(job, started_at, [], failure.message)
            raise ApplicationError(
                failure.message, type=category, non_retryable=True
            ) from storable_cause(error)
        await _record(job, started_at, evaluation.tries, None)
        return evaluation.findings


async def _evaluate(job: EvaluationJob) -> Evaluation:
    return await workflow.execute_activity_method(
        EvaluationActivities.evaluate_image,
        job,
        task_queue=TaskQueue.PROVIDER_LLM,
        schedule_to_start_timeout=EVALUATION_SCHEDULE_TO_START,
        start_to_close_timeout=EVALUATION_START_TO_CLOSE,
        retry_policy=ONE_ATTEMPT,
        summary=job.provider,
    )


def _read(error: Exception) -> Failure:
    cause = error.cause if isinstance(error, ActivityError) else None
    if isinstance(cause, TemporalTimeoutError) and cause.type == TimeoutType.SCHEDULE_TO_START:
        raise _no_evaluator("no evaluator was available in time") from error
    if isinstance(cause, ApplicationError) and cause.type == NO_EVALUATOR:
        raise _no_evaluator(cause.message) from error
    failure = read_error(error)
    if failure.is_unserved or failure.is_crowded:
        raise _no_evaluator(failure.message) from error
    return failure


def _no_evaluator(message: str) -> ApplicationError:
    return ApplicationError(message, type=NO_EVALUATOR, non_retryable=True)


def _tries_of(error: Exception) -> list[EvaluationTry]:
    cause = error.cause if isinstance(error, ActivityError) else None
    known = isinstance(cause, ApplicationError)
    return FailedTries.from_details(cause.details).tries if known else []


async def _record(
    job: EvaluationJob, started_at: datetime, tries: Sequence[EvaluationTry], failure: str | None
) -> None:
    duration_ms = (workflow.now() - started_at).total_seconds() * 1000
    try:
        await workflow.execute_local_activity_method(
            RecordActivities.record_evaluation,
            EvaluationRecord(
                evaluation_id=job.evaluation_id,
                provider=EvaluationProvider(tries[-1].provider) if tries else job.provider,
                success=failure is None,
                duration_ms=duration_ms,
                error=failure,
                owner=job.owner,
                verdicts=[each.verdict for each in tries],
            ),
            start_to_close_timeout=EVALUATION_RECORD_TIMEOUT,
            retry_policy=EVALUATION_RECORD_RETRY,
            summary="failed" if failure else "succeeded",
        )
    except FailureError as error:  # a local activity's failure comes unwrapped
        if is_cancelled_exception(error):
            raise
        workflow.logger.warning("evaluation_not_recorded", exc_info=error)
