"""Recorder of the histories that must replay: `python tests/workflows/replay/record.py [NAME …]`.

Run it only for a change that is meant to break replay, which no tagged release may do.
"""

import asyncio
import re
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from shared.contracts.datasets import CaptionImage, Captioning
from shared.contracts.enums import (
    CaptioningStrategy,
    ErrorCategory,
    MappingTransform,
    TaskQueue,
)
from shared.contracts.runs import PipelineRun, StepMapping
from shared.settings import TemporalSettings
from shared.temporal.client import connect
from tests.fakes.courier import waiting
from tests.fakes.inference import Attempt
from tests.fakes.training import LORA
from tests.fixtures.workflow_runs import (
    Runs,
    activity_worker,
    conversion,
    edit,
    editing,
    evaluation,
    generation,
    picture_from,
    pipeline,
    refinement,
    step,
    training,
)
from tests.workflows.test_fallback import always, remote_generation
from tests.workflows.test_pipeline_mapping import from_app
from tests.workflows.test_remote_attempts import fal
from workflows.definitions.deliver_events import DeliverEvents

BY_A_MODEL = Captioning(strategy=CaptioningStrategy.LLM, trigger_word="sh0e")
HISTORIES = Path(__file__).parent / "histories"


async def fail_once(attempt: Attempt) -> None:
    """Fail the first attempt of each task with a retryable error."""
    if attempt.attempt == 1:
        raise ApplicationError("the store was away", type="STORAGE")


def pick_of_a_text() -> PipelineRun:
    """Map `first` of a text; recorded when that was the text's first letter."""
    found = step("found").model_copy(update={"result": {"result_image_path": "https://a.test/b"}})
    pick = picture_from("found").model_copy(update={"transform": MappingTransform.FIRST})
    return pipeline(found, step("refine", "found", run=refinement(), mappings=[pick]))


def value_out_of_bounds() -> PipelineRun:
    """Map a width out of bounds; recorded before mapped values were validated."""
    found = step("found").model_copy(update={"result": {"attempts_used": 4}})
    link = StepMapping(from_step="found", from_field="attempts_used", to_field="width")
    return pipeline(found, step("generate", "found", mappings=[link]))


def caption_but_the_first(request: CaptionImage) -> str:
    """Reply to all requests but those for the first picture."""
    return "" if request.picture.endswith("0000.jpg") else "a shoe on a table"


async def record(runs: Runs, asked: set[str]) -> None:
    """Record one history of each shape."""
    runs.training.lora = LORA
    runs.captioner.reply = caption_but_the_first
    starts = {
        "task": runs.start_task(generation()),
        "task-editing": runs.start_task(editing()),
        "pipeline": runs.start_pipeline(
            pipeline(
                step("generate"),
                step("refine", "generate", run=refinement(), mappings=[picture_from("generate")]),
            )
        ),
        "pipeline-pick": runs.start_pipeline(pick_of_a_text()),
        "pipeline-unchecked": runs.start_pipeline(value_out_of_bounds()),
        # `training` was recorded when preprocessing fetched remote pictures itself.
        "training-sources": runs.start_training(training()),
        "training-captions": runs.start_training(training(captioning=BY_A_MODEL)),
        "evaluation": runs.start_evaluation(evaluation()),
        "delivery": runs.start_delivery(),
        "conversion": runs.start_conversion(conversion()),
        "reconciliation": runs.start_reconciliation(),
    }
    # Coroutines that are not awaited have not started anything.
    unwanted = [starts.pop(name) for name in list(starts) if asked and name not in asked]
    for start in unwanted:
        start.close()
    shapes: dict[str, WorkflowHandle[Any, Any]] = {
        name: await start for name, start in starts.items()
    }
    for handle in shapes.values():
        await handle.result()
    runs.provider.results = {"image_path": "mine/a.png"}
    shapes["pipeline-from-an-app"] = await runs.start_pipeline(pipeline(*from_app()))
    await shapes["pipeline-from-an-app"].result()
    runs.inference.act = fail_once
    shapes["task-retried"] = await runs.start_task(generation())
    await shapes["task-retried"].result()
    shapes["task-remote"] = await runs.start_task(fal())
    await shapes["task-remote"].result()
    runs.provider.results = {"result_image_path": "editings/a.png"}
    shapes["edit"] = await runs.start_edit(edit(uuid.uuid4()))
    await shapes["edit"].result()
    runs.provider.on_submit = always(ErrorCategory.NETWORK)
    shapes["task-fallback"] = await runs.start_task(remote_generation())
    await shapes["task-fallback"].result()
    runs.courier.answers = [waiting(1)]
    shapes["delivery-retried"] = await runs.start_delivery()
    await shapes["delivery-retried"].signal(DeliverEvents.wake)
    await shapes["delivery-retried"].result()
    for name, handle in shapes.items():
        if asked and name not in asked:
            continue
        history = await handle.fetch_history()
        # Stack traces contain paths of the recording machine; replay does not need them.
        text = re.sub(r'"stackTrace": "(?:[^"\\]|\\.)*"', '"stackTrace": ""', history.to_json())
        (HISTORIES / f"{name}.json").write_text(text + "\n")


async def main() -> None:
    """Start the servers, record, and write the histories."""
    with tempfile.TemporaryDirectory(prefix="sartiq-record-") as folder:
        async with LocalStack(LocalSettings(state_dir=Path(folder)), services=()) as stack:
            settings = TemporalSettings(address=stack.endpoints.temporal_address)
            runs = Runs(await connect(settings, identity="recorder"))
            async with (
                runs.working(),
                runs.fetch_worker(),
                runs.dataset_worker(),
                runs.training_worker(),
                activity_worker(
                    runs.client,
                    TaskQueue.PROVIDER_LLM,
                    runs.evaluator.evaluate_image,
                    runs.captioner.caption_image,
                ),
                runs.provider_worker(),
                runs.provider_worker(TaskQueue.PROVIDER_VERTEX),
                runs.deliveries_worker(),
                runs.conversion_worker(),
            ):
                await record(runs, set(sys.argv[1:]))


if __name__ == "__main__":
    asyncio.run(main())
