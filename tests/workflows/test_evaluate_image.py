"""Evaluations on a real server: findings, failures and records."""

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import ErrorCategory
from shared.contracts.evaluation import EvaluationFindings, EvaluationJob
from shared.errors import PlatformError
from tests.fakes.evaluator import FINDINGS
from tests.fixtures.workflow_runs import OWNER, Runs, evaluation
from workflows.definitions.evaluate_image import EvaluateImage

Handle = WorkflowHandle[EvaluateImage, EvaluationFindings]


def raises(category: ErrorCategory):
    async def act(job: EvaluationJob) -> EvaluationFindings:
        raise PlatformError("the model gave up", category=category)

    return act


async def failure_of(handle: Handle) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


async def test_findings_are_the_result_and_are_counted(runs: Runs) -> None:
    job = evaluation(custom_instructions="look closely")
    async with runs.workflow_worker(), runs.evaluation_worker():
        assert await (await runs.start_evaluation(job)).result() == FINDINGS
    assert runs.evaluator.jobs == [job]
    record = runs.records.evaluations[job.evaluation_id]
    assert (record.success, record.error, record.owner) == (True, None, OWNER)
    assert record.duration_ms > 0


async def test_failure_of_the_evaluator_is_not_retried_and_is_counted(runs: Runs) -> None:
    runs.evaluator.act = raises(ErrorCategory.PROVIDER_ERROR)
    job = evaluation()
    async with runs.workflow_worker(), runs.evaluation_worker():
        failure = await failure_of(await runs.start_evaluation(job))
    assert (failure.type, failure.message) == ("PROVIDER_ERROR", "the model gave up")
    assert len(runs.evaluator.jobs) == 1
    record = runs.records.evaluations[job.evaluation_id]
    assert (record.success, record.error) == (False, "the model gave up")


async def test_invalid_picture_leaves_no_evaluation_record(runs: Runs) -> None:
    runs.evaluator.act = raises(ErrorCategory.VALIDATION)
    async with runs.workflow_worker(), runs.evaluation_worker():
        failure = await failure_of(await runs.start_evaluation(evaluation()))
    assert failure.type == "VALIDATION"
    assert not runs.records.evaluations


async def test_findings_are_returned_although_their_record_fails(runs: Runs) -> None:
    runs.records.failures_left = 1000
    async with runs.workflow_worker(), runs.evaluation_worker():
        assert await (await runs.start_evaluation(evaluation())).result() == FINDINGS
    assert not runs.records.evaluations
