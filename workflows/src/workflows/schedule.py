"""The schedule that reconciles records and runs; the workflow worker creates it."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from shared.contracts.enums import TaskQueue
from shared.contracts.reconciliation import ReconcileRequest
from workflows.definitions.reconcile import Reconcile
from workflows.policies import RECONCILE_TIMEOUT

SCHEDULE_ID = "reconcile-records"


class ReconcileSettings(BaseSettings):
    """Interval and grace periods of the reconciliation."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_RECONCILE_", frozen=True)

    every_s: float = Field(default=60, ge=1)
    """Seconds between two passes; passes never overlap."""
    grace_s: float = Field(default=60, ge=0)
    """Seconds for which a changed record is left alone."""
    abandoned_after_s: float = Field(default=3600, ge=0)
    """Seconds after which objects without an owner are removed: longer than any upload takes. A
    request that takes longer is refused, and loses nothing."""


async def ensure_schedule(client: Client, settings: ReconcileSettings) -> None:
    """Create the schedule, or update an existing one to the settings."""
    schedule = _schedule(settings)
    try:
        await client.create_schedule(SCHEDULE_ID, schedule)
    except ScheduleAlreadyRunningError:

        def update(_: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(schedule=schedule)

        await client.get_schedule_handle(SCHEDULE_ID).update(update)


def _schedule(settings: ReconcileSettings) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            Reconcile.run,
            ReconcileRequest(
                grace_s=settings.grace_s, abandoned_after_s=settings.abandoned_after_s
            ),
            id=SCHEDULE_ID,
            task_queue=TaskQueue.WORKFLOWS,
            execution_timeout=2 * RECONCILE_TIMEOUT,
            static_summary="Brings records and runs back together",
        ),
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=timedelta(seconds=settings.every_s))]
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
