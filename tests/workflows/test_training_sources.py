"""URLs of a training are fetched before preprocessing: in parts, with faults, owned, cancelled."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from api_gateway.creation.run_size import check_run_size
from shared.contracts.enums import ErrorCategory, TrainingStatus
from shared.contracts.inputs import FetchInputs
from shared.errors import PlatformError, StorageError, TenantLimitError
from shared.temporal.heartbeat import Heartbeat
from tests.fixtures.workflow_runs import Runs, training
from workflows import policies
from workflows.policies import FETCHES_OF_A_TRAINING, SOURCES_PER_FETCH, SOURCES_RETRY

MINE = "trainings/a.png"


def urls(count: int) -> list[str]:
    return [f"https://pictures.example/{index}.png" for index in range(count)]


@pytest.fixture
async def staffed(runs: Runs) -> AsyncIterator[Runs]:
    async with (
        runs.workflow_worker(),
        runs.fetch_worker(),
        runs.dataset_worker(),
        runs.training_worker(),
    ):
        yield runs


async def test_urls_are_fetched_in_parts_and_each_keeps_its_place(staffed: Runs) -> None:
    remote = urls(3 * SOURCES_PER_FETCH + 5)
    shuffled = [remote[7 * index % len(remote)] for index in range(len(remote))]
    sources = [shuffled[0], MINE, *shuffled]
    run = training(source_images=sources)
    await (await staffed.start_training(run)).result()

    parts = sorted((part for part in staffed.fetcher.requests), key=lambda part: len(part.urls))
    assert [len(part.urls) for part in parts] == [5, *[SOURCES_PER_FETCH] * 3]
    assert sorted(url for part in parts for url in part.urls) == sorted(remote)
    assert all(part.is_partial and part.task_type is None for part in parts)
    names = {url: name for part in parts for url, name in part.names.items()}
    assert names[shuffled[0]] == "source_images.0"
    assert names[shuffled[1]] == "source_images.3"

    [asked] = staffed.training.datasets
    assert asked.source_images == sources
    keys = {url: f"trainings/{run.training_id}/inputs/{url.rpartition('/')[2]}" for url in remote}
    assert asked.fetched_at == {
        index: keys[source] for index, source in enumerate(sources) if source != MINE
    }
    owned = {file.key for file in staffed.records.datasets[run.training_id].dataset.files}
    assert owned == {*keys.values(), f"trainings/{run.training_id}/dataset.tar"}


async def test_few_parts_are_fetched_at_once(staffed: Runs) -> None:
    running = most = 0

    async def act(request: FetchInputs) -> dict[str, str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(100):  # the others could begin meanwhile
            await asyncio.sleep(0)
        running -= 1
        return {}

    staffed.fetcher.act = act
    sources = urls((FETCHES_OF_A_TRAINING + 3) * SOURCES_PER_FETCH)
    await (await staffed.start_training(training(source_images=sources))).result()
    assert len(staffed.fetcher.requests) == FETCHES_OF_A_TRAINING + 3
    assert most <= FETCHES_OF_A_TRAINING


async def test_one_url_of_twenty_that_fails_is_reported_and_the_rest_is_trained_on(
    staffed: Runs,
) -> None:
    bad, *good = urls(20)

    async def act(request: FetchInputs) -> dict[str, str]:
        return {bad: "the server responded 404"}

    staffed.fetcher.act = act
    run = training(source_images=[bad, *good])
    outcome = await (await staffed.start_training(run)).result()
    assert outcome.status == TrainingStatus.COMPLETED
    [asked] = staffed.training.datasets
    assert asked.faults_at == {0: "the server responded 404"}
    assert set(asked.fetched_at) == set(range(1, 20))
    dataset = staffed.records.datasets[run.training_id].dataset
    assert dataset.warnings == ["the server responded 404"]
    [trained] = staffed.training.loras
    assert trained.log == [f"{bad} is left out"]


async def test_passing_failures_are_retried_and_a_lasting_one_fails_the_training(
    hurried: Runs,
) -> None:
    failures = 2

    async def act(request: FetchInputs) -> dict[str, str]:
        nonlocal failures
        if failures:
            failures -= 1
            raise PlatformError("source_images.0: no answer", category=ErrorCategory.NETWORK)
        return {}

    async def broken(request: FetchInputs) -> dict[str, str]:
        raise StorageError("the store is full")

    async with hurried.fetch_worker(), hurried.dataset_worker(), hurried.training_worker():
        hurried.fetcher.act = act
        run = training(source_images=urls(1))
        assert (await (await hurried.start_training(run)).result()).status == "COMPLETED"
        assert len(hurried.fetcher.requests) == 3

        hurried.fetcher.act = broken
        run = training(source_images=urls(1))
        with pytest.raises(WorkflowFailureError) as failed:
            await (await hurried.start_training(run, run_timeout=timedelta(hours=1))).result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert (failed.value.cause.type, failed.value.cause.message) == ("STORAGE", "the store is full")
    assert len(hurried.fetcher.requests) == 3 + (SOURCES_RETRY.maximum_attempts or 0)
    outcome = hurried.records.trainings[run.training_id]
    assert (outcome.status, outcome.error_category) == (TrainingStatus.FAILED, "STORAGE")


async def test_what_was_fetched_before_a_failure_has_an_owner(hurried: Runs) -> None:
    async def act(request: object) -> None:
        raise PlatformError("no picture is left", category=ErrorCategory.VALIDATION)

    hurried.training.act = act
    run = training(source_images=urls(2))
    async with hurried.fetch_worker(), hurried.dataset_worker():
        with pytest.raises(WorkflowFailureError):
            await (await hurried.start_training(run)).result()
    files = hurried.records.trainings[run.training_id].files
    assert {file.key.rpartition("/")[2] for file in files} == {"0.png", "1.png"}


async def test_fetch_of_a_tenant_at_its_limit_waits(
    staffed: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "CROWDED_FIRST_S", 0.05)
    crowded = 3

    async def act(request: FetchInputs) -> dict[str, str]:
        nonlocal crowded
        if crowded:
            crowded -= 1
            raise TenantLimitError
        return {}

    staffed.fetcher.act = act
    outcome = await (await staffed.start_training(training(source_images=urls(1)))).result()
    assert outcome.status == TrainingStatus.COMPLETED
    assert len(staffed.fetcher.requests) == 4


async def test_running_fetches_are_cancelled_with_the_training(staffed: Runs) -> None:
    is_running = asyncio.Event()
    ended: list[str] = []

    async def act(request: FetchInputs) -> dict[str, str]:
        is_running.set()
        try:
            async with Heartbeat():
                await asyncio.sleep(25)
        finally:
            ended.append(request.urls[0])
        return {}

    staffed.fetcher.act = act
    run = training(source_images=urls(2 * SOURCES_PER_FETCH))
    handle = await staffed.start_training(run)
    await is_running.wait()
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert staffed.records.trainings[run.training_id].status == TrainingStatus.CANCELLED
    assert len(ended) == len(staffed.fetcher.requests)
    assert not staffed.training.datasets


async def test_as_many_long_urls_as_a_request_may_have_fit_into_every_message(
    staffed: Runs,
) -> None:
    remote = [f"https://pictures.example/{468 * '0'}/{index}.png" for index in range(2000)]
    run = training(source_images=remote)
    check_run_size(run)
    outcome = await asyncio.wait_for((await staffed.start_training(run)).result(), 20)
    assert outcome.status == TrainingStatus.COMPLETED
    [asked] = staffed.training.datasets
    assert len(asked.source_images) == 2000
