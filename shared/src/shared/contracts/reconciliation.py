"""Bringing records and runs back together, after a crash between the two."""

from abc import ABC, abstractmethod

from pydantic import Field
from temporalio import activity

from shared.contracts.message import Message


class ReconcileRequest(Message):
    """One pass over all that has not ended."""

    grace_s: float = Field(default=60, ge=0)
    """What changed more recently is left alone: somebody is at work on it."""
    abandoned_after_s: float = Field(default=3600, ge=0)
    """Objects that nobody owns and that are younger are left alone: a request may be at them."""


class Reconciled(Message):
    """What a pass found apart, and mended."""

    started: int = 0
    """Rows without a run; their runs have been started."""
    closed: int = 0
    """Rows whose run had closed without a word; they have been ended as their run was."""
    cancelled: int = 0
    """Runs whose row had ended, was paused or was gone; they have been stopped."""
    failed: int = 0
    """Rows that could not be mended or swept in this pass; the worker's log says why."""
    keys_swept: int = 0
    """Idempotency keys that nobody can repeat any more."""
    overdue: int = 0
    """Subjects with an event that was due for delivery; where no run delivered, one was started."""
    deliveries_swept: int = 0
    """Deliveries that are older than their log goes back."""
    objects_swept: int = 0
    """Objects of completed tasks that no record names: lost attempts, finished tiles."""
    loose_swept: int = 0
    """Objects that requests left to nobody: what a crash has left between records and store."""
    passing_swept: int = 0
    """Objects of evaluations and conversions that are long over."""
    pictures_lost: int = 0
    """Rows whose object was found to be gone; they are no longer listed."""
    pictures_found: int = 0
    """Of those, the ones whose object is there again; they are listed again."""


class ReconcileActivities(ABC):
    """Activities of the workflow worker. Idempotent: every step is guarded by the row's lock."""

    @activity.defn(name="reconcile_records")
    @abstractmethod
    async def reconcile_records(self, request: ReconcileRequest) -> Reconciled:
        """Compare rows with runs, in both directions, and mend what has parted."""
