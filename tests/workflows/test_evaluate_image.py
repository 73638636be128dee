"""Evaluations on a real server: findings, failures and records."""

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import AiProvider, ErrorCategory
from shared.contracts.evaluation import (
    NO_EVALUATOR,
    EvaluationFindings,
    EvaluationJob,
    EvaluationProvider,
    EvaluationTry,
    FailedTries,
)
from shared.contracts.failures import CROWDED, UNSERVED
from shared.contracts.runs import ProviderVerdict
from shared.errors import PlatformError
from tests.fakes.evaluator import FINDINGS
from tests.fixtures.workflow_runs import OWNER, Runs, evaluation
from workflows.definitions.evaluate_image import EvaluateImage

Handle = WorkflowHandle[EvaluateImage, EvaluationFindings]


def raises(category: ErrorCategory):
    async def act(job: EvaluationJob) -> EvaluationFindings:
        raise PlatformError("the model gave up", category=category)

    return act


def verdict(vendor: AiProvider, *, is_success: bool | None) -> ProviderVerdict:
    return ProviderVerdict(provider_type=vendor, is_success=is_success)


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
    assert record.provider == "gemini"
    assert record.verdicts == [verdict(AiProvider.GEMINI, is_success=True)]
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
    assert record.verdicts == [verdict(AiProvider.GEMINI, is_success=False)]


async def test_every_vendor_that_was_asked_is_counted(runs: Runs) -> None:
    refused = EvaluationTry(
        provider=AiProvider.OPENAI, category=ErrorCategory.QUOTA_EXCEEDED, error="no credit"
    )
    declined = EvaluationTry(
        provider=AiProvider.ANTHROPIC, category=ErrorCategory.CONTENT_POLICY, error="no"
    )

    async def act(job: EvaluationJob) -> EvaluationFindings:
        details = FailedTries(tries=[refused, declined]).to_details()
        raise ApplicationError("no", *details, type="CONTENT_POLICY", non_retryable=True)

    runs.evaluator.act = act
    job = evaluation(provider=EvaluationProvider.AUTO)
    async with runs.workflow_worker(), runs.evaluation_worker():
        failure = await failure_of(await runs.start_evaluation(job))
    assert failure.type == "CONTENT_POLICY"
    record = runs.records.evaluations[job.evaluation_id]
    assert (record.provider, record.success) == ("anthropic", False)
    assert record.verdicts == [
        verdict(AiProvider.OPENAI, is_success=False),
        verdict(AiProvider.ANTHROPIC, is_success=None),
    ]


async def test_a_request_that_the_vendor_refuses_is_no_fault_of_the_picture(runs: Runs) -> None:
    refused = EvaluationTry(
        provider=AiProvider.OPENAI, category=ErrorCategory.VALIDATION, error="no such model"
    )

    async def act(job: EvaluationJob) -> EvaluationFindings:
        details = FailedTries(tries=[refused]).to_details()
        raise ApplicationError("no such model", *details, type="VALIDATION", non_retryable=True)

    runs.evaluator.act = act
    job = evaluation()
    async with runs.workflow_worker(), runs.evaluation_worker():
        failure = await failure_of(await runs.start_evaluation(job))
    assert (failure.type, failure.message) == ("PROVIDER_ERROR", "no such model")
    assert runs.records.evaluations[job.evaluation_id].verdicts == [
        verdict(AiProvider.OPENAI, is_success=None)
    ]


@pytest.mark.parametrize("failure_type", [NO_EVALUATOR, UNSERVED, CROWDED])
async def test_a_worker_that_asked_nobody_leaves_no_record(runs: Runs, failure_type: str) -> None:
    async def act(job: EvaluationJob) -> EvaluationFindings:
        raise ApplicationError("not here", type=failure_type, non_retryable=True)

    runs.evaluator.act = act
    async with runs.workflow_worker(), runs.evaluation_worker():
        failure = await failure_of(await runs.start_evaluation(evaluation()))
    assert (failure.type, failure.message) == (NO_EVALUATOR, "not here")
    assert not runs.records.evaluations


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
