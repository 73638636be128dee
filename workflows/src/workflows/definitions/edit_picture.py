"""The workflow of one edit by an outside provider that is a part of a task."""

import asyncio
import uuid

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from shared.contracts.enums import ProviderType, TaskStatus, TaskType
from shared.contracts.failures import SUBMISSION_UNKNOWN
from shared.contracts.providers import PROVIDERS
from shared.contracts.remote_editing import (
    EDIT_ENDED,
    EDIT_PICTURE,
    EditedPicture,
    EditReport,
    PictureEdit,
)
from shared.contracts.runs import TaskOutcome, TaskRun
from shared.uninterrupted import uninterrupted
from workflows.definitions.run_step import run_step
from workflows.definitions.unexpected_errors import failing_as_internal
from workflows.definitions.worker_wait import ContinueAsNewError, WorkerWait

_PROVIDER = ProviderType.VERTEX


@workflow.defn(name=EDIT_PICTURE)
class EditPicture:
    """Run of one edit, id `edit-<task>-<digest>-<tile>-<try>`.

    It is an EDITING by the provider `vertex`, tried and retried as any task, but without a record
    of its own: its calls and billed units go to the run of its task. A failure has its category as
    its type, or SUBMISSION_UNKNOWN if the edit must not be submitted again.
    """

    @workflow.run
    async def run(self, edit: PictureEdit) -> EditedPicture:
        """Run the edit to its end."""
        with failing_as_internal():
            return await self._run(edit)

    async def _run(self, edit: PictureEdit) -> EditedPicture:
        def show(state: str) -> None:
            workflow.set_current_details(f"**{edit.name}** of task `{edit.task_id}`: {state}")

        try:
            outcome = await run_step(
                _task_of(edit), label=edit.name, show=show, worker_wait=WorkerWait()
            )
        except ContinueAsNewError:
            workflow.continue_as_new(edit)
        await _report(edit, outcome)
        if outcome.status == TaskStatus.CANCELLED:
            raise asyncio.CancelledError
        if outcome.status == TaskStatus.FAILED:
            error = outcome.errors[-1] if outcome.errors else "the edit failed"
            raise ApplicationError(
                error.removeprefix(f"attempt {outcome.attempt}: "),
                type=SUBMISSION_UNKNOWN if outcome.is_final else outcome.error_category,
                non_retryable=True,
            )
        return EditedPicture(key=outcome.results["result_image_path"])


def _task_of(edit: PictureEdit) -> TaskRun:
    """Return the edit as a task. No record has its id, so that writes into its record do nothing.

    Its verdicts count at the provider's circuit breaker all the same. Each run has a folder of its
    own, because marks of an earlier run would end the attempts of this one.
    """
    info = workflow.info()
    return TaskRun(
        task_id=uuid.uuid5(edit.task_id, info.run_id),
        task_type=TaskType.EDITING,
        provider_type=_PROVIDER,
        task_queue=PROVIDERS[_PROVIDER].queues[TaskType.EDITING],
        provider_config=edit.provider_config,
        inputs={
            "prompt": edit.prompt,
            "base_image": edit.base_image,
            "reference_images": edit.reference_images,
            "width": edit.width,
            "height": edit.height,
            "seed": edit.seed,
            "config": {},
        },
        max_retries=edit.max_retries,
        owner=edit.owner,
        folder=f"{edit.folder}/{info.run_id}",
    )


async def _report(edit: PictureEdit, outcome: TaskOutcome) -> None:
    """Report the calls and billed units to the run of the task."""
    if not (outcome.service_requests or outcome.billed):
        return
    report = EditReport(
        task_id=edit.task_id,
        edit_id=workflow.info().workflow_id,
        service_requests=outcome.service_requests,
        billed=outcome.billed,
    )
    parent = workflow.get_external_workflow_handle(edit.parent_id)
    try:
        await uninterrupted(parent.signal(EDIT_ENDED, report))
    except FailureError as error:  # that run has closed
        workflow.logger.warning("edit_not_reported", exc_info=error)
