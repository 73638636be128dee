"""Trainings on a rig: what their workers have stored, and the weights that they must end with."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from shared.errors import ObjectNotFoundError
from shared.storage.s3 import S3ObjectStore
from tests.faults.clients import Clients, training
from tests.faults.rig import Rig
from tests.fixtures.gateway import storage_settings
from tests.fixtures.state_digests import state_digest

WORKER = "training-worker"
_ENDS_WITHIN_S = 120


@asynccontextmanager
async def stored(rig: Rig) -> AsyncIterator[S3ObjectStore]:
    """Open the object store, without a proxy."""
    store = S3ObjectStore(storage_settings(rig.stack))
    try:
        yield store
    finally:
        store.close()


async def newest_state(rig: Rig, training_id: UUID) -> dict[str, Any] | None:
    """Return the pointer to the newest resume state; None: there is none."""
    async with stored(rig) as store:
        try:
            return json.loads(await store.get(f"trainings/{training_id}/resume/latest.json"))
        except ObjectNotFoundError:
            return None


async def weights_digest(rig: Rig, training_id: UUID) -> str:
    """Return a digest of the raw and the averaged weights of a training's last state."""
    newest = await newest_state(rig, training_id)
    assert newest is not None, f"training {training_id} has no state"
    async with stored(rig) as store:
        content = await store.get(newest["key"])
    assert hashlib.sha256(content).hexdigest() == newest["sha256"], "half-written: the last state"
    return state_digest(content)


async def completed(rig: Rig, training_id: UUID) -> dict[str, Any]:
    """Wait until a training has ended; return its record.

    Raises:
        AssertionError: it did not complete.
    """
    record: dict[str, Any] = {}

    async def has_ended() -> bool:
        record.update((await rig.api.get(f"/api/v1/training/{training_id}")).json())
        return record["status"] in {"COMPLETED", "FAILED", "CANCELLED"}

    try:
        await rig.until(has_ended, timeout_s=_ENDS_WITHIN_S)
    except TimeoutError:
        raise AssertionError(f"stuck: training {training_id}: {record}") from None
    assert record["status"] == "COMPLETED", f"{record['status']}: {record['error_message']}"
    return record


async def is_unbroken(rig: Rig, training_id: UUID, steps: int) -> None:
    """Wait for a training's end, and compare its weights with those of a run without faults.

    Raises:
        AssertionError: it did not complete, or has other weights.
    """
    record = await completed(rig, training_id)
    assert record["current_step"] == steps
    found = await weights_digest(rig, training_id)
    assert found == await _expected(rig, steps), "other weights than an unbroken run"


async def _expected(rig: Rig, steps: int) -> str:
    """Return the weights' digest of a run without faults, which the first call makes."""
    if steps not in rig.unbroken:
        training_id = await Clients(rig.api).submit(training(steps))
        await completed(rig, training_id)
        rig.unbroken[steps] = await weights_digest(rig, training_id)
    return rig.unbroken[steps]
