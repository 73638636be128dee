"""The workflow of a reconciliation, started by a schedule once a minute."""

from temporalio import workflow

from shared.contracts.enums import TaskQueue
from shared.contracts.reconciliation import ReconcileActivities, Reconciled, ReconcileRequest
from workflows.definitions.unexpected_errors import failing_as_internal
from workflows.policies import HEARTBEAT_TIMEOUT, ONE_ATTEMPT, RECONCILE_TIMEOUT


@workflow.defn(name="Reconcile")
class Reconcile:
    """One reconciliation pass; the next pass retries what failed."""

    @workflow.run
    async def run(self, request: ReconcileRequest) -> Reconciled:
        """Run one pass."""
        with failing_as_internal():
            return await workflow.execute_activity_method(
                ReconcileActivities.reconcile_records,
                request,
                task_queue=TaskQueue.WORKFLOWS,
                start_to_close_timeout=RECONCILE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=ONE_ATTEMPT,
                summary="rows and runs",
            )
