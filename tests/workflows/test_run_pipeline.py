"""Runs of whole pipelines on a real server: order, fan-out, mapping, failure, cancellation."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from shared.contracts.enums import (
    ErrorCategory,
    ProviderType,
    TaskStatus,
    TaskType,
    WorkflowStatus,
)
from shared.contracts.runs import PipelineOutcome, PipelineStep
from shared.errors import InvalidInputError, PlatformError
from shared.temporal.heartbeat import Heartbeat
from tests.fakes.inference import Attempt
from tests.fixtures.workflow_runs import (
    Runs,
    generation,
    kinds,
    picture_from,
    pipeline,
    refinement,
    step,
    until_event,
)
from tests.workflows.test_fallback import always, remote_generation
from workflows.definitions.run_pipeline import RunPipeline

LONG_S = 25.0

Handle = WorkflowHandle[RunPipeline, PipelineOutcome]


async def end_of(handle: Handle) -> ApplicationError | CancelledError:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError | CancelledError)
    return failed.value.cause


def attempted(runs: Runs) -> list[object]:
    return [attempt.task_id for attempt in runs.inference.attempts]


def chain() -> tuple[PipelineStep, PipelineStep]:
    """Build a generation, and the refinement of its picture."""
    mappings = [picture_from("generate")]
    return step("generate"), step("refine", "generate", run=refinement(), mappings=mappings)


async def test_ready_steps_run_concurrently(working: Runs) -> None:
    together = asyncio.Barrier(3)

    async def act(attempt: Attempt) -> None:
        async with asyncio.timeout(LONG_S):
            await together.wait()

    working.inference.act = act
    handle = await working.start_pipeline(pipeline(step("a"), step("b"), step("c")))
    assert (await handle.result()).status == WorkflowStatus.COMPLETED


async def test_step_starts_as_soon_as_its_dependencies_are_done(working: Runs) -> None:
    slow, quick, behind = step("slow"), step("quick"), step("behind", "quick")
    has_begun = asyncio.Event()

    async def act(attempt: Attempt) -> None:
        if attempt.task_id == behind.run.task_id:
            has_begun.set()
        if attempt.task_id == slow.run.task_id:
            await has_begun.wait()

    working.inference.act = act
    handle = await working.start_pipeline(pipeline(slow, quick, behind))
    assert (await handle.result()).status == WorkflowStatus.COMPLETED


async def test_failed_step_lets_running_ones_end_and_no_later_one_start(hurried: Runs) -> None:
    bad, good = step("bad"), step("good")
    behind_bad, behind_good = step("behind-bad", "bad"), step("behind-good", "good")

    async def act(attempt: Attempt) -> None:
        if attempt.task_id == bad.run.task_id:
            raise InvalidInputError("no such size")
        # Ends only after the failure is recorded.
        await hurried.records.is_called.wait()

    hurried.inference.act = act
    run = pipeline(bad, good, behind_bad, behind_good)
    handle = await hurried.start_pipeline(run)
    assert (await end_of(handle)).message == "step bad: attempt 1: no such size"
    assert hurried.outcome(bad.run.task_id).status == TaskStatus.FAILED
    assert hurried.outcome(good.run.task_id).status == TaskStatus.COMPLETED
    assert set(attempted(hurried)) == {bad.run.task_id, good.run.task_id}
    assert hurried.records.tasks.keys() == {bad.run.task_id, good.run.task_id}
    recorded = hurried.records.pipelines[run.workflow_id]
    assert recorded.status == WorkflowStatus.FAILED
    assert recorded.errors == ["step bad: attempt 1: no such size"]


async def test_step_is_retried_while_another_runs(hurried: Runs) -> None:
    shaky, calm = step("shaky"), step("calm")

    async def act(attempt: Attempt) -> None:
        if attempt.task_id == shaky.run.task_id and attempt.attempt == 1:
            raise PlatformError("a hiccup", category=ErrorCategory.NETWORK)

    hurried.inference.act = act
    handle = await hurried.start_pipeline(pipeline(shaky, calm))
    assert (await handle.result()).status == WorkflowStatus.COMPLETED
    assert hurried.outcome(shaky.run.task_id).retry_count == 1
    assert hurried.outcome(calm.run.task_id).retry_count == 0


async def test_completed_step_is_not_run_again(working: Runs) -> None:
    generate, refine = chain()
    done = generate.model_copy(update={"result": {"result_image_path": "kept/image.png"}})
    handle = await working.start_pipeline(pipeline(done, refine))
    assert (await handle.result()).status == WorkflowStatus.COMPLETED
    assert attempted(working) == [refine.run.task_id]
    assert working.inference.attempts[0].inputs.base_image_url == "kept/image.png"


async def test_pipeline_whose_steps_are_all_done_completes_at_once(working: Runs) -> None:
    run = pipeline(step("a", result={"result_image_path": "kept.png"}))
    handle = await working.start_pipeline(run)
    assert (await handle.result()).status == WorkflowStatus.COMPLETED
    assert working.records.pipelines[run.workflow_id].status == WorkflowStatus.COMPLETED
    assert not working.records.tasks


async def test_cancel_ends_running_steps_and_starts_no_more(working: Runs) -> None:
    both_run = asyncio.Barrier(3)

    async def act(attempt: Attempt) -> None:
        async with Heartbeat():
            await both_run.wait()
            await asyncio.sleep(LONG_S)

    working.inference.act = act
    first, second, third = step("first"), step("second"), step("third", "first")
    run = pipeline(first, second, third)
    handle = await working.start_pipeline(run)
    await both_run.wait()
    await handle.cancel()
    assert isinstance(await end_of(handle), CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    assert working.records.tasks.keys() == {first.run.task_id, second.run.task_id}
    assert {outcome.status for outcome in working.records.tasks.values()} == {TaskStatus.CANCELLED}
    assert working.records.pipelines[run.workflow_id].status == WorkflowStatus.CANCELLED


async def test_cancel_reaches_a_step_that_waits_for_its_retry(working: Runs) -> None:
    async def act(attempt: Attempt) -> None:
        raise PlatformError("later", category=ErrorCategory.RATE_LIMIT, retry_after_s=LONG_S)

    working.inference.act = act
    only = step("only")
    run = pipeline(only)
    handle = await working.start_pipeline(run)
    await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    await handle.cancel()
    assert isinstance(await end_of(handle), CancelledError)
    assert working.outcome(only.run.task_id).errors == ["attempt 1: later"]


async def test_step_that_fails_while_it_is_cancelled_is_not_retried(working: Runs) -> None:
    is_running = asyncio.Event()

    async def act(attempt: Attempt) -> None:
        is_running.set()
        try:
            async with Heartbeat():
                await asyncio.sleep(LONG_S)
        except asyncio.CancelledError:
            raise PlatformError("meanwhile", category=ErrorCategory.STORAGE) from None

    working.inference.act = act
    only = step("only")
    handle = await working.start_pipeline(pipeline(only))
    await is_running.wait()
    await handle.cancel()
    assert isinstance(await end_of(handle), CancelledError)
    assert working.outcome(only.run.task_id).status == TaskStatus.CANCELLED


async def test_cancel_while_a_step_is_recorded_keeps_both_records(working: Runs) -> None:
    working.records.is_open.clear()
    first, second = step("first"), step("second", "first")

    async def act(attempt: Attempt) -> None:
        if attempt.task_id == second.run.task_id:
            async with Heartbeat():
                await asyncio.sleep(LONG_S)

    working.inference.act = act
    run = pipeline(first, second)
    handle = await working.start_pipeline(run)
    await working.records.is_called.wait()
    await handle.cancel()
    working.records.is_open.set()
    assert isinstance(await end_of(handle), CancelledError)
    assert working.outcome(first.run.task_id).status == TaskStatus.COMPLETED
    assert working.records.pipelines[run.workflow_id].status == WorkflowStatus.CANCELLED
    # The cancellation waits for the write, so the next step may have been scheduled meanwhile.
    later = working.records.tasks.get(second.run.task_id)
    assert later is None or later.status == TaskStatus.CANCELLED


async def test_unstarted_pipeline_is_recorded_as_cancelled(runs: Runs) -> None:
    run = pipeline(step("only"))
    handle = await runs.start_pipeline(run)
    await handle.cancel()
    async with runs.working():
        assert isinstance(await end_of(handle), CancelledError)
    assert runs.records.pipelines[run.workflow_id].status == WorkflowStatus.CANCELLED


async def test_steps_survive_a_change_of_workflow_worker(runs: Runs) -> None:
    is_running, may_end = asyncio.Event(), asyncio.Event()

    async def act(attempt: Attempt) -> None:
        is_running.set()
        async with Heartbeat():
            await may_end.wait()

    runs.inference.act = act
    generate, refine = chain()
    async with runs.inference_worker():
        async with runs.workflow_worker():
            handle = await runs.start_pipeline(pipeline(generate, refine))
            await is_running.wait()
        may_end.set()
        async with runs.workflow_worker():
            assert (await handle.result()).status == WorkflowStatus.COMPLETED
    assert attempted(runs) == [generate.run.task_id, refine.run.task_id]


async def test_wide_pipeline_has_a_short_history(working: Runs) -> None:
    steps = [step(f"s{index:03}") for index in range(50)]
    handle = await working.start_pipeline(pipeline(*steps))
    await handle.result()
    history = await handle.fetch_history()
    names = kinds(history)
    assert len(working.inference.attempts) == 50
    assert names.count("MARKER_RECORDED") == 51
    assert len(names) < 50 * 7
    assert sum(event.ByteSize() for event in history.events) < 50 * 4096


async def test_two_hundred_steps_stay_under_two_thousand_events(working: Runs) -> None:
    chains = [
        step(f"s{row}-{column}", *([f"s{row}-{column - 1}"] if column else []))
        for row in range(20)
        for column in range(10)
    ]
    handle = await working.start_pipeline(pipeline(*chains))
    assert (await handle.result()).status == WorkflowStatus.COMPLETED
    assert len(working.inference.attempts) == 200
    assert len((await handle.fetch_history()).events) < 2000


async def test_a_step_keeps_its_own_priority(working: Runs) -> None:
    urgent = step("urgent", run=generation(priority=3))
    handle = await working.start_pipeline(pipeline(step("usual"), urgent))
    await handle.result()
    scheduled = [
        event.activity_task_scheduled_event_attributes.priority.priority_key
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert scheduled == [0, 1]


async def test_the_temporal_ui_shows_the_state_of_each_step(working: Runs) -> None:
    working.provider.on_submit = always(ErrorCategory.QUOTA_EXCEEDED)
    steps = step("local"), step("switched", "local", run=remote_generation())
    async with working.provider_worker():
        handle = await working.start_pipeline(pipeline(*steps))
        await handle.result()
        shown = (await handle.query("__temporal_workflow_metadata")).current_details
    assert shown.splitlines() == [
        "**a pipeline**: 2 of 2 steps done",
        "",
        "- `local` GENERATION: completed",
        "- `switched` GENERATION: completed by local, attempt 2, after fal_standard failed",
    ]


def unserved(step_id: str, *depends_on: str) -> PipelineStep:
    """Build a step whose queue has a worker without its activity."""
    face = generation(
        task_type=TaskType.FACE_ENHANCER,
        provider_type=ProviderType.SARTIQ_ULTIMATE_FACE_FIXER,
        inputs={"input_image": "uploads/a.png"},
    )
    return step(step_id, *depends_on, run=face)


async def test_a_pause_does_not_wait_for_an_untried_step(working: Runs) -> None:
    steps = step("done"), unserved("later", "done")
    run = pipeline(*steps)
    handle = await working.start_pipeline(run)
    await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    shown = (await handle.query("__temporal_workflow_metadata")).current_details
    waited_for = (
        "a worker that supports it: those of the task queue `inference` do not support "
        "FACE_ENHANCER by sartiq_ultimate_face_fixer yet"
    )
    assert f"- `later` FACE_ENHANCER: waits for {waited_for}" in shown.splitlines()
    (told,) = working.records.accounts
    assert (told.task_id, told.waiting_for) == (steps[1].run.task_id, waited_for)
    assert (told.attempt, told.retry_count) == (0, 0)
    await handle.signal(RunPipeline.pause)
    assert (await handle.result()).status == WorkflowStatus.PAUSED
    assert steps[1].run.task_id not in working.records.tasks


async def test_a_run_that_waits_long_is_continued_as_new(
    working: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.policies.UNSERVED_INITIAL_S", 0.05)
    monkeypatch.setattr("workflows.definitions.worker_wait.LONG_HISTORY_EVENTS", 60)
    steps = step("done"), unserved("later", "done"), unserved("too", "done")
    run = pipeline(*steps)
    handle = await working.start_pipeline(run)
    first = working.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    await until_event(first, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW)
    second = working.client.get_workflow_handle(handle.id)
    await until_event(second, EventType.EVENT_TYPE_TIMER_STARTED)
    await second.signal(RunPipeline.pause)
    assert (await handle.result()).status == WorkflowStatus.PAUSED
    assert attempted(working) == [steps[0].run.task_id]
