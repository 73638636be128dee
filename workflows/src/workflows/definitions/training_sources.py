"""Fetching of the pictures that a training names by URL, before its preprocessing."""

from collections.abc import Sequence
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError

from shared.contracts.enums import TaskQueue
from shared.contracts.inputs import FetchedInputs, FetchInputs, InputActivities
from shared.contracts.pictures import is_remote
from shared.contracts.training import TrainingRun
from workflows.definitions.at_once import call_at_once
from workflows.definitions.failure import read_failure
from workflows.policies import (
    FETCHES_OF_A_TRAINING,
    HEARTBEAT_TIMEOUT,
    SOURCES_FETCH_TIMEOUT,
    SOURCES_PER_FETCH,
    SOURCES_RETRY,
    crowded_wait_s,
)


def remote_sources(run: TrainingRun) -> dict[str, str]:
    """Return the distinct URLs among a training's source images, with their request fields."""
    names: dict[str, str] = {}
    for index, source in enumerate(run.source_images):
        if is_remote(source):
            names.setdefault(source, f"source_images.{index}")
    return names


async def fetch_sources(run: TrainingRun) -> FetchedInputs:
    """Fetch the URLs among a training's source images; those that cannot be fetched are faults.

    Raises:
        ActivityError: our own storage failed, or no worker finished in time.
    """
    urls = list(remote_sources(run).items())
    chunks = [urls[at : at + SOURCES_PER_FETCH] for at in range(0, len(urls), SOURCES_PER_FETCH)]
    fetched = await call_at_once(
        [partial(_fetch, run, chunk) for chunk in chunks], FETCHES_OF_A_TRAINING
    )
    return FetchedInputs(
        keys={url: key for part in fetched for url, key in part.keys.items()},
        files=[file for part in fetched for file in part.files],
        faults={url: fault for part in fetched for url, fault in part.faults.items()},
    )


async def _fetch(run: TrainingRun, urls: Sequence[tuple[str, str]]) -> FetchedInputs:
    """Fetch some URLs; while the tenant is at its concurrency limit, wait and retry."""
    tries = 0
    while True:
        try:
            return await workflow.execute_activity_method(
                InputActivities.fetch_inputs,
                FetchInputs(
                    task_id=run.training_id,
                    task_type=None,
                    urls=[url for url, _ in urls],
                    names=dict(urls),
                    is_partial=True,
                ),
                task_queue=TaskQueue.FETCH,
                start_to_close_timeout=SOURCES_FETCH_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=SOURCES_RETRY,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                priority=workflow.info().priority,
                summary=f"{len(urls)} remote picture" + ("s" if len(urls) > 1 else ""),
            )
        except ActivityError as error:
            if not read_failure(error).is_crowded:
                raise
        tries += 1
        seconds = crowded_wait_s(tries, workflow.random().random())
        await workflow.sleep(seconds, summary="the tenant's other pictures are fetched first")
