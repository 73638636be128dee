"""The platform that is fuzzed: real servers, the gateway and its workers as processes.

The evaluator of pictures is a fake in this process; everything else runs as in production.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from shared.contracts.enums import TaskQueue
from shared.settings import TemporalSettings
from shared.temporal.client import connect
from tests.fakes.evaluator import FakeEvaluator
from tests.fixtures.workflow_runs import activity_worker

_OVERRIDES = {
    "SARTIQ_INFERENCE_ENGINE": "identity",
    # Most cancelled tasks have not begun, so waiting for them to stop would be wasted.
    "SARTIQ_GATEWAY_CANCEL_WAIT_S": "0.2",
}


@asynccontextmanager
async def open_target() -> AsyncIterator[LocalStack]:
    """Start an empty platform that serves every kind of work except training."""
    with tempfile.TemporaryDirectory(prefix="sartiq-fuzz-") as folder:
        settings = LocalSettings(state_dir=Path(folder))
        async with LocalStack(settings, overrides=_OVERRIDES) as stack, _evaluator(stack):
            yield stack


@asynccontextmanager
async def _evaluator(stack: LocalStack) -> AsyncIterator[None]:
    client = await connect(
        TemporalSettings(address=stack.endpoints.temporal_address), identity="fuzz-evaluator"
    )
    evaluator = FakeEvaluator()
    async with activity_worker(client, TaskQueue.PROVIDER_LLM, evaluator.evaluate_image):
        yield
