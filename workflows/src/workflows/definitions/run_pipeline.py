"""The workflow of a pipeline: ready steps run concurrently, inline, until the DAG is done."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from shared.contracts.enums import ErrorCategory, TaskStatus, WorkflowStatus
from shared.contracts.picture_objects import PICTURE_OBJECTS
from shared.contracts.remote_editing import EDIT_ENDED, EditReport
from shared.contracts.runs import PipelineOutcome, PipelineRun, PipelineStep, TaskOutcome
from shared.contracts.untrusted import clean_text
from shared.uninterrupted import uninterrupted
from workflows.definitions.edit_reports import EditReports
from workflows.definitions.failure import Failure, read_error
from workflows.definitions.fetching import link_objects
from workflows.definitions.fitting import fitted
from workflows.definitions.mapping import (
    MappingError,
    MappingGate,
    doubtful_keys,
    linked_keys,
    map_inputs,
    picks_of_singles,
)
from workflows.definitions.recording import (
    foreign_objects,
    pin_pictures,
    record_pipeline,
    record_task,
)
from workflows.definitions.run_step import run_step
from workflows.definitions.unexpected_errors import CONTROL_FLOW, failing_as_internal
from workflows.definitions.worker_wait import ContinueAsNewError, StepNotStartedError, WorkerWait

_GATED = "mapped-values-pass-a-gate"

_VALIDATED = "mapped-values-are-validated"

_LIMITED = "mapped-values-are-within-remote-limits"

FIRST_OF_A_TEXT = "first-of-a-text"
"""Patch id of runs in which `first` of a text is the text; in older runs it is the first letter."""


@workflow.defn(name="Pipeline")
class RunPipeline:
    """Run of a DAG, id `workflow-<uuid>`.

    It fails if a step fails for good, once the running steps have ended.
    """

    _run: PipelineRun

    def __init__(self) -> None:
        self._results: dict[str, dict[str, Any]] = {}
        self._running: dict[asyncio.Task[TaskOutcome | None], PipelineStep] = {}
        self._waiting: list[PipelineStep] = []
        self._errors: list[str] = []
        self._states: dict[str, str] = {}
        """State of each step, as text for the Temporal UI."""
        self._gate = MappingGate(lambda: workflow.patched(_GATED))
        self._worker_wait = WorkerWait(lambda: len(self._running), lambda: self._is_stopping)
        self._edit_reports = EditReports()
        self._is_cancelled = False
        self._is_paused = False

    @workflow.run
    async def run(self, run: PipelineRun) -> PipelineOutcome:
        """Run the DAG to its end."""
        with failing_as_internal():
            return await self._run_to_its_end(run)

    async def _run_to_its_end(self, run: PipelineRun) -> PipelineOutcome:
        self._run = run
        try:
            await self._run_steps(run)
        except CONTROL_FLOW:
            raise
        except Exception as error:  # noqa: BLE001 — an unexpected error must not block the run
            self._errors.append(read_error(error).message)
            await self._cancel_running_steps()
        outcome = PipelineOutcome(
            workflow_id=run.workflow_id, status=self._status(), errors=self._errors
        )
        outcome = await record_pipeline(outcome)
        self._show()
        return self._closed(outcome)

    async def _run_steps(self, run: PipelineRun) -> None:
        self._results = {s.step_id: s.result for s in run.steps if s.result is not None}
        self._states = dict.fromkeys(self._results, "completed before")
        self._waiting = [step for step in run.steps if step.result is None]
        if not self._is_stopping:
            self._start_ready_steps()
        while self._running:
            self._show()
            try:
                await self._collect()
            except ContinueAsNewError:
                workflow.continue_as_new(self._rest())
            if not self._is_stopping:
                self._start_ready_steps()

    async def _cancel_running_steps(self) -> None:
        for task in self._running:
            task.cancel()
        if self._running:
            await uninterrupted(workflow.wait(list(self._running)))

    @workflow.signal
    def cancel_step(self, step_id: str) -> None:
        """Cancel one step. The pipeline cannot complete without it, so no other step starts."""
        if step_id in self._results:
            return
        self._is_cancelled = True
        for task, step in self._running.items():
            if step.step_id == step_id:
                task.cancel()

    @workflow.signal
    def pause(self) -> None:
        """Start no more steps, and end once the running ones have ended; it can be resumed."""
        self._is_paused = True

    @workflow.signal(name=EDIT_ENDED)
    def edit_ended(self, report: EditReport) -> None:
        """Record the calls and billed units of an edit that is a part of a step."""
        self._edit_reports.note(report)

    @property
    def _is_stopping(self) -> bool:
        return bool(self._errors) or self._is_cancelled or self._is_paused

    def _start_ready_steps(self) -> None:
        ready = [s for s in self._waiting if all(name in self._results for name in s.depends_on)]
        for step in ready:
            self._waiting.remove(step)
            self._running[asyncio.create_task(self._run_step(step))] = step

    async def _run_step(self, step: PipelineStep) -> TaskOutcome | None:
        """Run a step to its end; return none if the run stopped before the step was tried."""
        try:
            mapped = await self._map_inputs(step)
        except MappingError as error:
            return await _fail(step, Failure(str(error), ErrorCategory.VALIDATION))
        except CONTROL_FLOW:
            raise
        except Exception as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            return await _fail(step, read_error(error))

        def show(state: str) -> None:
            self._states[step.step_id] = state
            self._show()

        try:
            return await run_step(
                step.run,
                label=step.step_id,
                mapped_inputs=mapped,
                show=show,
                worker_wait=self._worker_wait,
                edit_reports=self._edit_reports,
            )
        except StepNotStartedError:
            return None

    async def _map_inputs(self, step: PipelineStep) -> dict[str, Any]:
        links = await link_objects(linked_keys(step.mappings, self._results, self._gate))
        picks_letters = picks_of_singles(step.mappings, self._results) and not workflow.patched(
            FIRST_OF_A_TEXT
        )
        mapped = map_inputs(
            step.mappings, self._results, links, self._gate, picks_letters=picks_letters
        )
        mapped = _fitted(step, mapped)
        types = {other.step_id: other.run.task_type for other in self._run.steps}
        paths = doubtful_keys(step, mapped, self._results, types)
        if paths and workflow.patched("mapped-pictures-are-pinned"):
            pinned = await pin_pictures(step.run, paths)
            mapped[PICTURE_OBJECTS] = step.run.inputs.get(PICTURE_OBJECTS, {}) | pinned
            foreign = [path for path in paths if path not in pinned]
        else:
            foreign = await foreign_objects(step.run.owner, paths)
        if foreign:
            raise MappingError(
                f"the object {foreign[0]!r} does not exist, or this workflow may not read it"
            )
        return mapped

    async def _collect(self) -> None:
        try:
            done, _ = await workflow.wait(list(self._running), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._is_cancelled = True
            for task in self._running:
                task.cancel()
            return
        for task in done:
            step = self._running.pop(task)
            if task.cancelled():  # before its first attempt: the pipeline's outcome ends it
                self._is_cancelled = True
            else:
                self._settle(step, _outcome_of(step, task))

    def _rest(self) -> PipelineRun:
        """Return the remaining pipeline; of completed steps, the results still to be mapped."""
        to_do = [step for step in self._run.steps if step.step_id not in self._results]
        needed = {(m.from_step, m.from_field) for step in to_do for m in step.mappings}
        kept = {
            name: {field: value for field, value in result.items() if (name, field) in needed}
            for name, result in self._results.items()
        }
        steps = [
            step.model_copy(update={"result": kept.get(step.step_id)}) for step in self._run.steps
        ]
        return self._run.model_copy(update={"steps": steps})

    def _settle(self, step: PipelineStep, outcome: TaskOutcome | None) -> None:
        if outcome is None:
            self._waiting.append(step)
        elif outcome.status == TaskStatus.COMPLETED:
            self._results[step.step_id] = outcome.results
        elif outcome.status == TaskStatus.CANCELLED:
            self._is_cancelled = True
        else:
            reason = outcome.errors[-1] if outcome.errors else "failed"
            self._errors.append(f"step {step.step_id}: {reason}")

    def _status(self) -> WorkflowStatus:
        if self._is_cancelled:
            return WorkflowStatus.CANCELLED
        if self._errors:
            return WorkflowStatus.FAILED
        return WorkflowStatus.PAUSED if self._waiting else WorkflowStatus.COMPLETED

    def _show(self) -> None:
        """Show the state of the run in the Temporal UI."""
        done = len(self._results)
        lines = [
            f"- `{s.step_id}` {s.run.task_type}: {self._states.get(s.step_id, '–')}"
            for s in self._run.steps
        ]
        head = f"**{self._run.name}**: {done} of {len(self._run.steps)} steps done"
        # In Markdown, text directly after a list would be part of its last item.
        errors = ["", "Errors:", "", *(f"- {error}" for error in self._errors)]
        shown = [head, "", *lines, *(errors if self._errors else [])]
        workflow.set_current_details("\n".join(shown))

    def _closed(self, outcome: PipelineOutcome) -> PipelineOutcome:
        if outcome.status == WorkflowStatus.CANCELLED:
            raise asyncio.CancelledError
        if outcome.status == WorkflowStatus.FAILED:
            raise ApplicationError(clean_text("; ".join(outcome.errors)), non_retryable=True)
        return outcome


def _fitted(step: PipelineStep, mapped: dict[str, Any]) -> dict[str, Any]:
    """Return validated values; unchanged ones in runs that started before the validation."""
    try:
        taken = fitted(step, mapped, lambda: workflow.patched(_LIMITED))
    except MappingError:
        if workflow.patched(_VALIDATED):
            raise
        return mapped
    return taken if taken != mapped and workflow.patched(_VALIDATED) else mapped


async def _fail(step: PipelineStep, failure: Failure) -> TaskOutcome:
    """Record the failure of a step that was not tried."""
    return await record_task(_failed(step, failure), step.step_id)


def _outcome_of(step: PipelineStep, task: asyncio.Task[TaskOutcome | None]) -> TaskOutcome | None:
    """Return the outcome of a step; a failure if its outcome could not be recorded."""
    try:
        return task.result()
    except CONTROL_FLOW:
        raise
    except Exception as error:  # noqa: BLE001 — an unexpected error must not block the run
        return _failed(step, read_error(error))


def _failed(step: PipelineStep, failure: Failure) -> TaskOutcome:
    return TaskOutcome(
        task_id=step.run.task_id,
        status=TaskStatus.FAILED,
        owner=step.run.owner,
        errors=[failure.message],
        error_category=failure.category,
    )
