"""The workflow of an evaluation: one attempt at one picture, while a client waits."""

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
    EvaluationActivities,
    EvaluationFindings,
    EvaluationJob,
    EvaluationRecord,
)
from shared.contracts.records import RecordActivities
from shared.contracts.untrusted import storable_cause
from workflows.definitions.failure import Failure, read_error
from workflows.definitions.unforeseen import failing_as_internal
from workflows.policies import (
    EVALUATION_RECORD_RETRY,
    EVALUATION_RECORD_TIMEOUT,
    EVALUATION_SCHEDULE_TO_START,
    EVALUATION_START_TO_CLOSE,
    ONE_ATTEMPT,
)


@workflow.defn(name="Evaluation")
class EvaluateImage:
    """Id `evaluation-<uuid>`. Fails with the category of the evaluator's failure as its type.

    What no worker took, and what no worker could have evaluated, is no evaluation: it leaves no
    record.
    """

    @workflow.run
    async def run(self, job: EvaluationJob) -> EvaluationFindings:
        """Evaluate the picture."""
        with failing_as_internal():
            return await self._run(job)

    async def _run(self, job: EvaluationJob) -> EvaluationFindings:
        started_at = workflow.now()
        try:
            findings = await _evaluate(job)
        except workflow.NondeterminismError:
            raise
        except Exception as error:
            if is_cancelled_exception(error):
                raise
            failure = _read(error)
            if failure.category != ErrorCategory.VALIDATION:
                await _record(job, started_at, failure.message)
            raise ApplicationError(
                failure.message, type=failure.category, non_retryable=True
            ) from storable_cause(error)
        await _record(job, started_at, None)
        return findings


async def _evaluate(job: EvaluationJob) -> EvaluationFindings:
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
        raise ApplicationError(
            "no evaluator took the picture", type=NO_EVALUATOR, non_retryable=True
        ) from error
    return read_error(error)


async def _record(job: EvaluationJob, started_at: datetime, failure: str | None) -> None:
    duration_ms = (workflow.now() - started_at).total_seconds() * 1000
    try:
        await workflow.execute_local_activity_method(
            RecordActivities.record_evaluation,
            EvaluationRecord(
                evaluation_id=job.evaluation_id,
                provider=job.provider,
                success=failure is None,
                duration_ms=duration_ms,
                error=failure,
                owner=job.owner,
            ),
            start_to_close_timeout=EVALUATION_RECORD_TIMEOUT,
            retry_policy=EVALUATION_RECORD_RETRY,
            summary="failed" if failure else "succeeded",
        )
    except FailureError as error:  # a local activity's failure comes unwrapped
        if is_cancelled_exception(error):
            raise
        workflow.logger.warning("evaluation_not_recorded", exc_info=error)
