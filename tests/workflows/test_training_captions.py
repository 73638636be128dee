"""Captions by a model: an activity for each picture, retried, counted, written into the dataset."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from shared.contracts.datasets import CAPTION_MAX_CHARS, CaptionImage, Captioning
from shared.contracts.enums import CaptioningStrategy, ErrorCategory, TrainingStatus
from shared.contracts.training import TrainingRun
from shared.errors import PlatformError, SubmissionUnknownError
from tests.fixtures.workflow_runs import OWNER, Runs, training
from workflows.policies import CAPTION_TRIES


@pytest.fixture
async def staffed(hurried: Runs) -> AsyncIterator[Runs]:
    async with (
        hurried.dataset_worker(),
        hurried.caption_worker(),
        hurried.training_worker(),
    ):
        yield hurried


def captioned(count: int, prompt: str | None = None, **fields: Any) -> TrainingRun:
    strategy = CaptioningStrategy.CUSTOM_PROMPT if prompt else CaptioningStrategy.LLM
    return training(
        source_images=[f"trainings/{index}.png" for index in range(count)],
        captioning=Captioning(strategy=strategy, trigger_word="sh0e", prompt=prompt),
        **fields,
    )


def key(run: TrainingRun, index: int) -> str:
    return f"trainings/{run.training_id}/dataset/{index:04}.jpg"


async def test_each_picture_is_captioned_and_keeps_its_caption(staffed: Runs) -> None:
    staffed.captioner.reply = lambda request: f"  a shoe,\n seen in {request.picture} "
    run = captioned(20)
    await (await staffed.start_training(run)).result()

    keys = [key(run, index) for index in range(20)]
    assert Counter(request.picture for request in staffed.captioner.requests) == Counter(keys)
    request = staffed.captioner.requests[0]
    assert (request.training_id, request.owner) == (run.training_id, OWNER)
    assert "The picture shows sh0e:" in request.instruction
    [finished] = staffed.training.finished
    assert finished.captions == {each: f"a shoe, seen in {each}" for each in keys}
    record = staffed.records.datasets[run.training_id]
    assert finished.dataset_path == record.dataset.dataset_path
    assert (record.dataset.warnings, record.dataset.log) == ([], [])
    assert [file.key.rpartition("/")[2] for file in record.dataset.files] == [
        "dataset.tar",
        "manifest.json",
    ]
    # The dataset is complete when its captions are written.
    assert record.dataset.completed_at.minute == 6


async def test_the_prompt_of_the_client_is_the_instruction(staffed: Runs) -> None:
    run = captioned(1, prompt="Describe [trigger] in a word; [trigger] is a shoe.")
    await (await staffed.start_training(run)).result()
    [request] = staffed.captioner.requests
    assert request.instruction == "Describe sh0e in a word; sh0e is a shoe."


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("", "the model's reply was empty"),
        (" \n ", "the model's reply was empty"),
        (PlatformError("refused", category=ErrorCategory.CONTENT_POLICY), "refused"),
        (PlatformError("no answer", category=ErrorCategory.NETWORK), "no answer"),
    ],
)
async def test_picture_without_a_caption_is_tried_again_then_left_out_and_counted(
    staffed: Runs, failure: str | Exception, reason: str
) -> None:
    run = captioned(3)

    def reply(request: CaptionImage) -> str:
        if request.picture != key(run, 1):
            return "a shoe"
        if isinstance(failure, Exception):
            raise failure
        return failure

    staffed.captioner.reply = reply
    outcome = await (await staffed.start_training(run)).result()

    assert outcome.status == TrainingStatus.COMPLETED
    tries = Counter(request.picture for request in staffed.captioner.requests)
    assert tries == {key(run, 0): 1, key(run, 1): CAPTION_TRIES, key(run, 2): 1}
    [finished] = staffed.training.finished
    assert finished.captions.keys() == {key(run, 0), key(run, 2)}
    dataset = staffed.records.datasets[run.training_id].dataset
    [warning] = dataset.warnings
    assert "1 of 3 pictures have the trigger word alone" in warning
    assert warning.endswith(reason)
    [trained] = staffed.training.loras
    assert trained.log == [f"no caption of {key(run, 1)}: {reason}"]


async def test_caption_whose_response_was_lost_is_not_asked_for_again(staffed: Runs) -> None:
    def reply(request: CaptionImage) -> str:
        raise SubmissionUnknownError("the response was lost")

    staffed.captioner.reply = reply
    await (await staffed.start_training(captioned(2))).result()
    assert len(staffed.captioner.requests) == 2
    [finished] = staffed.training.finished
    assert finished.captions == {}


async def test_caption_whose_worker_was_lost_is_not_asked_for_again(
    staffed: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = timedelta(seconds=0.5)
    monkeypatch.setattr("workflows.definitions.training_captions.CAPTION_TIMEOUT", limit)
    staffed.captioner.hangs = True
    run = captioned(1)
    await (await staffed.start_training(run)).result()
    assert len(staffed.captioner.requests) == 1
    [trained] = staffed.training.loras
    assert trained.log == [f"no caption of {key(run, 0)}: the attempt exceeded its time limit"]


async def test_caption_that_comes_at_the_second_try_is_used(staffed: Runs) -> None:
    replies = ["", "a shoe"]
    staffed.captioner.reply = lambda _: replies.pop(0)
    run = captioned(1)
    await (await staffed.start_training(run)).result()
    [finished] = staffed.training.finished
    assert finished.captions == {key(run, 0): "a shoe"}
    assert staffed.records.datasets[run.training_id].dataset.warnings == []


async def test_long_caption_is_cut_between_words(staffed: Runs) -> None:
    staffed.captioner.reply = lambda _: "shoe " * 200
    run = captioned(1)
    await (await staffed.start_training(run)).result()
    [finished] = staffed.training.finished
    [caption] = finished.captions.values()
    assert caption == ("shoe " * 100).strip()
    assert len(caption) <= CAPTION_MAX_CHARS


async def test_training_is_cancelled_while_it_waits_for_captions(runs: Runs) -> None:
    is_asked = asyncio.Event()

    def reply(request: CaptionImage) -> str:
        is_asked.set()
        raise PlatformError("later", category=ErrorCategory.RATE_LIMIT, retry_after_s=600)

    runs.captioner.reply = reply
    run = captioned(2)
    async with (
        runs.workflow_worker(),
        runs.dataset_worker(),
        runs.caption_worker(),
        runs.training_worker(),
    ):
        handle = await runs.start_training(run)
        await is_asked.wait()
        shown = (await handle.query("__temporal_workflow_metadata")).current_details
        assert "0 of 2 captions, queue `provider-llm`" in shown
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, CancelledError)
    assert runs.records.trainings[run.training_id].status == TrainingStatus.CANCELLED
    assert not runs.training.finished
