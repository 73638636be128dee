"""The workflow that converts one pickle: one activity, whose failure keeps its category."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from shared.contracts.enums import TaskQueue
from shared.contracts.lora import ConvertedLora, LoraActivities, LoraConversion
from workflows.definitions.failure import read_failure
from workflows.definitions.unexpected_errors import failing_as_internal
from workflows.policies import (
    CONVERSION_RETRY,
    CONVERSION_SCHEDULE_TO_START,
    CONVERSION_START_TO_CLOSE,
    HEARTBEAT_TIMEOUT,
)


@workflow.defn(name="LoraConversion")
class ConvertLora:
    """Conversion of one LoRA, id `lora-<uuid>`. Time limits are short: a client waits for it."""

    @workflow.run
    async def run(self, request: LoraConversion) -> ConvertedLora:
        """Convert the file; a failure has the error category as its type."""
        with failing_as_internal():
            return await _convert(request)


async def _convert(request: LoraConversion) -> ConvertedLora:
    try:
        return await workflow.execute_activity_method(
            LoraActivities.convert_lora,
            request,
            task_queue=TaskQueue.INFERENCE_CPU,
            schedule_to_start_timeout=CONVERSION_SCHEDULE_TO_START,
            start_to_close_timeout=CONVERSION_START_TO_CLOSE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=CONVERSION_RETRY,
        )
    except ActivityError as error:
        failure = read_failure(error)
        raise ApplicationError(
            failure.message, type=failure.category, non_retryable=True
        ) from error
