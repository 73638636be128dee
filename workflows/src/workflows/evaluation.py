"""The gateway's way to an evaluation: one run per job, awaited by a client."""

from uuid import UUID

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from shared.contracts.evaluation import NO_EVALUATOR, EvaluationFindings, EvaluationJob
from shared.temporal import search
from workflows.definitions.evaluate_image import EvaluateImage
from workflows.policies import EVALUATION_EXECUTION_TIMEOUT
from workflows.start_errors import translated_start_errors
from workflows.starts import search_attributes, start_options

_INTERACTIVE = 2
"""Priority of work that a client awaits with an open connection."""

_Handle = WorkflowHandle[EvaluateImage, EvaluationFindings]


async def find_evaluation(client: Client, evaluation_id: UUID) -> EvaluationFindings | None:
    """Return the result of an evaluation that has been started; none if there is none.

    Raises:
        WorkflowFailureError: the evaluation failed.
        RunUnknownError: Temporal did not respond.
    """
    handle = client.get_workflow_handle_for(EvaluateImage.run, _run_id(evaluation_id))
    with translated_start_errors():
        try:
            return await handle.result()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None


async def evaluate(client: Client, job: EvaluationJob) -> EvaluationFindings:
    """Run an evaluation to its end; a repeated job returns the result of its first run.

    Raises:
        WorkflowFailureError: the evaluation failed.
        RunUnknownError: Temporal did not respond; the same job can be sent again safely.
        RunRefusedError: Temporal refused it.
    """
    handle = await _start(client, job, WorkflowIDReusePolicy.REJECT_DUPLICATE)
    is_repeated = handle.first_execution_run_id is None
    try:
        return await _result(handle)
    except WorkflowFailureError as failure:
        if not is_repeated or evaluator_failed(failure):
            raise
    return await _result(
        await _start(client, job, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)
    )


def evaluator_failed(failure: WorkflowFailureError) -> bool:
    """Return true if the evaluator itself failed; otherwise another run may succeed."""
    cause = failure.cause
    return isinstance(cause, ApplicationError) and cause.type != NO_EVALUATOR


async def _start(client: Client, job: EvaluationJob, reuse: WorkflowIDReusePolicy) -> _Handle:
    run_id = _run_id(job.evaluation_id)
    try:
        with translated_start_errors():
            return await client.start_workflow(
                EvaluateImage.run,
                job,
                id=run_id,
                execution_timeout=EVALUATION_EXECUTION_TIMEOUT,
                static_summary=f"{job.provider}: {job.expected_framing}, {job.expected_view_angle}",
                search_attributes=search_attributes(
                    job.owner, {search.KIND: "evaluation", search.PROVIDER: job.provider}
                ),
                **start_options(job.owner, _INTERACTIVE, reuse),
            )
    except WorkflowAlreadyStartedError:  # and has closed
        return client.get_workflow_handle_for(EvaluateImage.run, run_id)


def _run_id(evaluation_id: UUID) -> str:
    return f"evaluation-{evaluation_id}"


async def _result(handle: _Handle) -> EvaluationFindings:
    with translated_start_errors():
        return await handle.result()
