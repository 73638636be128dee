"""A fetch that finds no room beside its tenant's others waits at its run, and is no attempt."""

import asyncio

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TaskQueue, TaskStatus
from shared.contracts.inputs import FetchedInputs, FetchInputs
from shared.errors import TenantLimitError
from tests.fixtures.workflow_runs import Runs, activity_worker, generation
from workflows import policies

_URL = "https://pictures.example/a.png"


class Fetcher:
    """Has no room for the first calls."""

    def __init__(self, crowded: int) -> None:
        self.calls = 0
        self.is_called = asyncio.Event()
        self._crowded = crowded

    @activity.defn(name="fetch_inputs")
    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        assert activity.info().attempt == 1
        self.calls += 1
        self.is_called.set()
        if self.calls <= self._crowded:
            raise TenantLimitError
        file = StoredFile(key="k", size_bytes=1, content_type="image/png", sha256="0" * 64)
        return FetchedInputs(keys=dict.fromkeys(request.urls, "k"), files=[file])


def _run(**inputs: str):
    plain = {"prompt": "a hat", "width": 64, "height": 64, "seed": 3}
    return generation(inputs=plain | {"reference_image_url": _URL} | inputs)


async def test_it_comes_again_until_there_is_room(
    working: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "CROWDED_FIRST_S", 0.05)
    fetcher, run = Fetcher(crowded=3), _run()
    async with activity_worker(working.client, TaskQueue.FETCH, fetcher.fetch_inputs):
        await (await working.start_task(run)).result()
    outcome = working.outcome(run.task_id)
    assert (outcome.status, outcome.attempt, outcome.errors) == (TaskStatus.COMPLETED, 1, [])
    assert fetcher.calls == 4


async def test_while_it_waits_it_is_cancelled_at_once(working: Runs) -> None:
    fetcher, run = Fetcher(crowded=100), _run()
    async with activity_worker(working.client, TaskQueue.FETCH, fetcher.fetch_inputs):
        handle = await working.start_task(run)
        await asyncio.wait_for(fetcher.is_called.wait(), 20)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(handle.result(), 20)
    assert isinstance(failed.value.cause, CancelledError)
    assert working.outcome(run.task_id).status == TaskStatus.CANCELLED
