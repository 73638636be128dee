"""Has a pickle converted and waits for the result; the gateway's way to the converter."""

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
    """The pickle holds something other than tensors; the message says what."""


class ConversionUnavailableError(Exception):
    """Nobody converted it in time; another try may succeed."""


async def convert_lora(
    client: Client, request: LoraConversion, *, wait: timedelta
) -> ConvertedLora:
    """Run a conversion to its end; one that is under way is joined.

    Args:
        client: Temporal.
        request: the pickle's object.
        wait: for the whole run, its waits for workers included.

    Raises:
        ConversionRefusedError: the file is at fault.
        ConversionUnavailableError: the platform is.
        RunUnknownError: Temporal does not answer, and the conversion may go on.
    """
    try:
        with translated_start_errors():
            handle = await client.start_workflow(
                ConvertLora.run,
                request,
                id=request.workflow_id,
                task_queue=TaskQueue.WORKFLOWS,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                # Whoever asks again has not found the result of the last one.
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
