"""Captions of a training's pictures by a model: one activity for each picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from shared.contracts.datasets import CAPTION_MAX_CHARS, CaptionActivities, CaptionImage
from shared.contracts.enums import CaptioningStrategy, TaskQueue
from shared.contracts.training import TrainingRun
from shared.uninterrupted import is_cancelling
from workflows.definitions.at_once import call_at_once
from workflows.definitions.failure import read_failure
from workflows.policies import (
    CAPTION_TIMEOUT,
    CAPTION_TRIES,
    CAPTIONS_AT_ONCE,
    ONE_ATTEMPT,
    backoff_s,
)

_UNKNOWN_IS_FINAL = "captions-that-may-be-charged-are-final"
_TRIGGER = "[trigger]"
_INSTRUCTION = f"""\
Write the caption of this picture for training an image model. The picture shows {_TRIGGER}: use \
that word for what the training is about, as it is, and do not describe its fixed features. \
Describe everything else that is visible and may change between pictures: view, framing, pose, \
surroundings, light, and other things and people. Write one or two plain sentences in English, \
60 words at most, without introduction, quotes, judgement or guesses. Reply with nothing else."""


@dataclass(frozen=True)
class Captions:
    """The captions of a training's pictures.

    Attributes:
        by_key: captions by object key, without those of `failures`.
        failures: reasons, by object key.
    """

    by_key: dict[str, str]
    failures: dict[str, str]


async def caption_pictures(
    run: TrainingRun, keys: Sequence[str], tell: Callable[[int], None]
) -> Captions:
    """Let a model caption pictures; a failure concerns its picture alone.

    Args:
        run: the training.
        keys: object keys of the pictures.
        tell: called with the number of pictures that are done, after each.
    """
    by_key: dict[str, str] = {}
    failures: dict[str, str] = {}

    async def caption(nth: int, key: str) -> None:
        summary = f"caption {nth} of {len(keys)}"
        try:
            by_key[key] = await _caption(run, key, summary)
        except _NoCaptionError as error:
            failures[key] = str(error)
        tell(len(by_key) + len(failures))

    calls = [partial(caption, nth, key) for nth, key in enumerate(keys, start=1)]
    await call_at_once(calls, CAPTIONS_AT_ONCE)
    return Captions(by_key, failures)


class _NoCaptionError(Exception):
    """The model did not caption a picture."""


def instruction_of(run: TrainingRun) -> str:
    """Return the prompt of the captioning model: the client's own, or ours."""
    is_custom = run.captioning.strategy is CaptioningStrategy.CUSTOM_PROMPT
    text = run.captioning.prompt if is_custom and run.captioning.prompt else _INSTRUCTION
    return text.replace(_TRIGGER, run.trigger_word)


async def _caption(run: TrainingRun, key: str, summary: str) -> str:
    """Return the caption of one picture, in one line.

    Raises:
        _NoCaptionError: each try failed, or was answered without a text; or the response to one
            was lost, perhaps with its worker, which may be charged and is not repeated.
    """
    reason, retry_after_s = "", None
    for tries in range(CAPTION_TRIES):
        if tries:
            seconds = backoff_s(tries, workflow.random().random(), retry_after_s)
            await workflow.sleep(seconds, summary=f"{summary}: again")
        try:
            reply = await workflow.execute_activity_method(
                CaptionActivities.caption_image,
                CaptionImage(
                    training_id=run.training_id,
                    picture=key,
                    instruction=instruction_of(run),
                    owner=run.owner,
                ),
                task_queue=TaskQueue.PROVIDER_LLM,
                start_to_close_timeout=CAPTION_TIMEOUT,
                retry_policy=ONE_ATTEMPT,
                summary=summary,
            )
        except ActivityError as error:
            if is_cancelled_exception(error) or is_cancelling():
                raise
            failure = read_failure(error)
            reason, retry_after_s = failure.message, failure.retry_after_s
            is_unknown = failure.is_final or isinstance(error.cause, TemporalTimeoutError)
            if is_unknown and workflow.patched(_UNKNOWN_IS_FINAL):
                break
            continue
        if text := _shortened(" ".join(reply.caption.split())):
            return text
        reason, retry_after_s = "the model's reply was empty", None
    raise _NoCaptionError(reason)


def _shortened(text: str) -> str:
    """Return a text of at most the longest caption's length, cut between words."""
    if len(text) <= CAPTION_MAX_CHARS:
        return text
    return text[: CAPTION_MAX_CHARS + 1].rpartition(" ")[0] or text[:CAPTION_MAX_CHARS]
