"""Messages and activity of the reconciliation of database rows with workflow runs after crashes."""

from abc import ABC, abstractmethod

from pydantic import Field
from temporalio import activity

from shared.contracts.message import Message


class ReconcileRequest(Message):
    """A request for one pass over all rows and runs that have not ended."""

    grace_s: float = Field(default=60, ge=0)
    """Rows that changed within this time are skipped: a request may still work on them."""
    abandoned_after_s: float = Field(default=3600, ge=0)
    """Objects without an owner that are younger are skipped: a request may still use them."""


class Reconciled(Message):
    """Counts of the differences that a pass found and resolved."""

    started: int = 0
    """Rows without a run, whose run was started."""
    closed: int = 0
    """Rows whose run had closed without recording its outcome; the outcome was recorded."""
    cancelled: int = 0
    """Runs that were stopped because their row had ended, was paused or was removed."""
    failed: int = 0
    """Rows that could not be reconciled or swept in this pass; the worker's log has the errors."""
    keys_swept: int = 0
    """Expired idempotency keys that were removed."""
    overdue: int = 0
    """Subjects with an overdue delivery; a delivery run was started where none was running."""
    deliveries_swept: int = 0
    """Deliveries that were removed because they exceeded the retention period."""
    objects_swept: int = 0
    """Objects of completed tasks that no row names: of lost attempts, and finished tiles."""
    loose_swept: int = 0
    """Objects without an owner, left behind by a crash between the store and the database."""
    passing_swept: int = 0
    """Objects left behind by evaluations and conversions that ended long ago."""
    pictures_lost: int = 0
    """Rows whose object is missing; they are no longer listed."""
    pictures_found: int = 0
    """Rows marked as missing whose object is present again; they are listed again."""


class ReconcileActivities(ABC):
    """Activities of the workflow worker. Idempotent: every step is guarded by the row's lock."""

    @activity.defn(name="reconcile_records")
    @abstractmethod
    async def reconcile_records(self, request: ReconcileRequest) -> Reconciled:
        """Compare rows with runs in both directions, and resolve the differences."""
