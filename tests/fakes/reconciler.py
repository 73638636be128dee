"""A reconciler that finds nothing apart."""

from temporalio import activity

from shared.contracts.reconciliation import ReconcileActivities, Reconciled, ReconcileRequest


class FakeReconciler(ReconcileActivities):
    """Its pass is done at once."""

    @activity.defn(name="reconcile_records")
    async def reconcile_records(self, request: ReconcileRequest) -> Reconciled:
        return Reconciled()
