"""Fallback providers: when they take over, and the record meanwhile."""

import pytest

from shared.contracts.editing import EditImage
from shared.contracts.enums import BreakerState, ErrorCategory, ProviderType, TaskStatus, TaskType
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.runs import ProviderVerdict, TaskRun
from shared.contracts.submissions import RemoteWork
from shared.errors import PlatformError
from tests.fixtures.workflow_runs import Runs, editing, generation, summaries
from tests.workflows.test_remote_attempts import ended

LOCAL = {"provider_type": "local", "task_queue": "inference"}
LOCAL_VERDICT = ProviderVerdict(provider_type=ProviderType.LOCAL, is_success=True)


def remote_generation(**fields: object) -> TaskRun:
    fal = {
        "task_type": TaskType.GENERATION,
        "provider_type": "fal_standard",
        "task_queue": "provider-fal",
        "fallback": LOCAL,
        "max_retries": 1,
    }
    return generation(**fal | fields)


def always(category: ErrorCategory):
    async def act(work: RemoteWork) -> None:
        raise PlatformError("no luck", category=category, retry_after_s=0.05)

    return act


FALLS_BACK = sorted(c for c, consequence in CONSEQUENCES.items() if consequence.falls_back)
ENDS = sorted(set(CONSEQUENCES) - set(FALLS_BACK) - {ErrorCategory.CANCELLED})


@pytest.mark.parametrize("category", FALLS_BACK)
async def test_category_falls_back_once_its_retries_are_used(
    hurried: Runs, category: ErrorCategory
) -> None:
    hurried.provider.on_submit = always(category)
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(remote_generation())).result()
    tries = 2 if CONSEQUENCES[category].is_retried else 1
    assert len(hurried.provider.submitted) == tries
    assert outcome.status == TaskStatus.COMPLETED
    assert outcome.fallback_used
    assert outcome.attempt == tries + 1
    assert outcome.retry_count == tries
    assert outcome.errors == [f"attempt {n}: no luck" for n in range(1, tries + 1)]
    assert outcome.error_category is None
    assert outcome.verdict == LOCAL_VERDICT
    counts = CONSEQUENCES[category].counts_against_provider
    told = ProviderVerdict(
        provider_type=ProviderType.FAL_STANDARD, is_success=False if counts else None
    )
    assert [account.verdict for account in hurried.records.accounts] == [told] * tries


@pytest.mark.parametrize("category", ENDS)
async def test_invalid_request_does_not_fall_back(hurried: Runs, category: ErrorCategory) -> None:
    hurried.provider.on_submit = always(category)
    async with hurried.provider_worker():
        outcome = await ended(hurried, remote_generation())
    assert outcome.error_category == category
    assert not outcome.fallback_used
    assert hurried.inference.attempts == []


async def test_the_fallback_has_retries_of_its_own(hurried: Runs) -> None:
    async def fail(attempt: object) -> None:
        raise PlatformError("no luck here either", category=ErrorCategory.RESOURCE)

    hurried.provider.on_submit = always(ErrorCategory.QUOTA_EXCEEDED)
    hurried.inference.act = fail
    async with hurried.provider_worker():
        outcome = await ended(hurried, remote_generation())
    assert len(hurried.inference.attempts) == 2
    assert outcome.fallback_used
    assert outcome.error_category == ErrorCategory.RESOURCE
    assert len(outcome.errors) == 3


async def test_an_open_breaker_sends_work_to_the_fallback_at_once(hurried: Runs) -> None:
    hurried.records.breakers[ProviderType.FAL_STANDARD] = BreakerState.OPEN
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(remote_generation())).result()
    assert hurried.provider.submitted == []
    assert outcome.fallback_used
    assert outcome.retry_count == 0
    assert outcome.errors == ["fal_standard is skipped: its circuit breaker is open"]


async def test_a_breaker_that_opens_meanwhile_skips_the_retries(hurried: Runs) -> None:
    async def fail(work: RemoteWork) -> None:
        hurried.records.breakers[ProviderType.FAL_STANDARD] = BreakerState.OPEN
        raise PlatformError("no luck", category=ErrorCategory.PROVIDER_ERROR, retry_after_s=0.05)

    hurried.provider.on_submit = fail
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(remote_generation(max_retries=5))).result()
    assert len(hurried.provider.submitted) == 1
    assert outcome.fallback_used


async def test_the_web_ui_names_both_providers(hurried: Runs) -> None:
    seen: list[str] = []

    async def look(_: object) -> None:
        shown = await hurried.handles[-1].query("__temporal_workflow_metadata")
        seen.append(shown.current_details)

    hurried.provider.on_submit = always(ErrorCategory.QUOTA_EXCEEDED)
    hurried.inference.act = look
    async with hurried.provider_worker():
        handle = await hurried.start_task(remote_generation())
        await handle.result()
    [during] = seen
    assert "local in place of fal_standard, attempt 2" in during
    after = (await handle.query("__temporal_workflow_metadata")).current_details
    assert "completed by local, attempt 2, after fal_standard failed" in after
    assert "GENERATION, attempt 2, by local in place of fal_standard" in await summaries(handle)


async def test_an_editing_falls_back_to_our_own_worker(hurried: Runs) -> None:
    hurried.provider.on_submit = always(ErrorCategory.QUOTA_EXCEEDED)
    run = editing(provider_type="fal_standard", task_queue="provider-fal", fallback=LOCAL)
    async with hurried.provider_worker():
        outcome = await (await hurried.start_task(run)).result()
    [attempt] = hurried.inference.attempts
    assert isinstance(attempt, EditImage)
    assert (outcome.fallback_used, outcome.verdict) == (True, LOCAL_VERDICT)


async def test_the_record_is_up_to_date_during_the_task(hurried: Runs) -> None:
    hurried.provider.on_submit = always(ErrorCategory.NETWORK)
    async with hurried.provider_worker():
        await (await hurried.start_task(remote_generation())).result()
    told = [
        (account.attempt, account.error_category, account.fallback_used, len(account.errors))
        for account in hurried.records.accounts
    ]
    assert told == [(1, ErrorCategory.NETWORK, False, 1), (2, ErrorCategory.NETWORK, True, 2)]
