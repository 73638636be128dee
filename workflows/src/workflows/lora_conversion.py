"""The gateway's way to the LoRA converter: start a conversion and wait for its result."""

from datetime import timedelta

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import ErrorCategory, TaskQueue
from shared.contracts.lora import ConvertedLora, LoraConversion
from workflows.definitions.convert_lora import ConvertLora
from workflows.start_errors import translated_start_errors
from workflows.starts import START_TIMEOUT


class ConversionRefusedError(Exception):
    """The pickle contains something other than tensors; the message says what."""


class ConversionUnavailableError(Exception):
    """No worker converted the file in time; a retry may succeed."""


async def convert_lora(
    client: Client, request: LoraConversion, *, wait: timedelta
) -> ConvertedLora:
    """Run a conversion to its end; join a conversion of the same object that already runs.

    Args:
        client: Temporal.
        request: the pickle's object.
        wait: limit of the whole run, including its wait for a worker.

    Raises:
        ConversionRefusedError: the file is invalid.
        ConversionUnavailableError: the platform could not convert it.
        RunUnknownError: Temporal did not respond; the conversion may go on.
    """
    try:
        with translated_start_errors():
            handle = await client.start_workflow(
                ConvertLora.run,
                request,
                id=request.workflow_id,
                task_queue=TaskQueue.WORKFLOWS,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                # A repeated request means that the last result was not found.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                execution_timeout=wait,
                rpc_timeout=START_TIMEOUT,
                static_summary=f"LoRA conversion · {request.size_bytes} bytes",
            )
            return await handle.result()
    except WorkflowFailureError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type == ErrorCategory.VALIDATION:
            raise ConversionRefusedError(cause.message) from error
        raise ConversionUnavailableError(str(cause)) from error
