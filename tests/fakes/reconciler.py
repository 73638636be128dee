"""A reconciler that finds no differences."""

from temporalio import activity

from shared.contracts.reconciliation import ReconcileActivities, Reconciled, ReconcileRequest


class FakeReconciler(ReconcileActivities):
    """A reconciler whose pass returns at once."""

    @activity.defn(name="reconcile_records")
    async def reconcile_records(self, request: ReconcileRequest) -> Reconciled:
        return Reconciled()
