"""The connections and settings of this process, and the dependencies that hand them to routes.

`Resources` is built once by main, held on `app.state.resources`, and closed at the end. It imports
no package with routes: each of them takes from it what it needs.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api_gateway.auth.access import Access
from api_gateway.auth.key_cache import KeyCache
from api_gateway.auth.settings import AuthSettings
from api_gateway.cached_reads.events import EventFeed
from api_gateway.cached_reads.probes import (
    Check,
    database_check,
    storage_check,
    temporal_check,
    uploads_check,
)
from api_gateway.cached_reads.queues import QueueWatch
from api_gateway.cached_reads.stuck_runs import StuckRunsWatch
from api_gateway.cached_reads.tasks import TaskLoader
from api_gateway.settings import GatewaySettings
from shared.db.announcements import announcing
from shared.db.session import Sessions, create_engine, create_sessions, reading_engine
from shared.egress.guard import Guard
from shared.own_folder import own_folder
from shared.settings import (
    DatabaseSettings,
    EgressSettings,
    FairnessSettings,
    LoraSettings,
    MetricsSettings,
    ModelSettings,
    PictureLimits,
    StorageSettings,
    TemporalSettings,
    TrainingSettings,
    WebhookSettings,
)
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore
from shared.temporal.client import connect
from shared.temporal.identity import process_identity
from shared.webhooks.keyring import Keyring
from shared.webhooks.vault import Vault
from workflows.deliveries import Waker


@dataclass(frozen=True)
class Resources:
    """The gateway's connections and settings."""

    settings: GatewaySettings
    model: ModelSettings
    training: TrainingSettings
    pictures: PictureLimits
    guard: Guard
    lora: LoraSettings
    sessions: Sessions
    """A commit through them wakes the webhook deliveries that it queued."""
    objects: ObjectStore
    temporal: Client
    key_cache: KeyCache
    access: Access
    webhooks: WebhookSettings
    uploads: Path | None = None
    """Temporary folder of this process; none: the system's."""

    @cached_property
    def reads(self) -> AsyncEngine:
        """Connections for single statements."""
        return reading_engine(self.sessions)

    @cached_property
    def tasks(self) -> TaskLoader:
        """The loader of single tasks."""
        return TaskLoader(self.reads)

    @cached_property
    def feed(self) -> EventFeed:
        """The events for open streams."""
        return EventFeed(self.reads)

    @cached_property
    def checks(self) -> dict[str, Check]:
        """The health checks by dependency."""
        return {
            "database": database_check(self.sessions),
            "uploads": uploads_check(self.settings.upload_dir, self.settings.min_free_upload_bytes),
            "storage": storage_check(self.objects),
            "temporal": temporal_check(self.temporal),
        }

    @cached_property
    def stuck_runs(self) -> StuckRunsWatch:
        """The watch over stuck runs."""
        return StuckRunsWatch(self.temporal)

    @cached_property
    def queues(self) -> QueueWatch:
        """The watch over task queues without pollers."""
        return QueueWatch(self.temporal)

    @cached_property
    def keyring(self) -> Keyring:
        """The keys that sign webhook events."""
        return Keyring(Vault(self.webhooks))


@asynccontextmanager
async def open_resources(settings: GatewaySettings) -> AsyncGenerator[Resources]:
    """Open every connection; Temporal's opens at its first call."""
    access = Access.from_settings(AuthSettings())
    webhooks = WebhookSettings()
    engine = create_engine(DatabaseSettings(), is_pinging=False)
    objects = S3ObjectStore(StorageSettings())
    temporal = await connect(
        TemporalSettings(),
        identity=process_identity("api-gateway"),
        is_lazy=True,
        fairness=FairnessSettings(),
        metrics=MetricsSettings(),
    )
    waker = Waker(temporal)
    try:
        with own_folder("sartiq-api-gateway", settings.upload_dir) as uploads:
            yield Resources(
                settings=settings,
                model=ModelSettings(),
                training=TrainingSettings(),
                pictures=PictureLimits(),
                guard=EgressSettings().guard,
                lora=LoraSettings(),
                sessions=announcing(create_sessions(engine), waker),
                objects=objects,
                temporal=temporal,
                key_cache=KeyCache(settings.key_cache_s),
                access=access,
                webhooks=webhooks,
                uploads=uploads,
            )
    finally:
        await waker.close()
        await access.close()
        objects.close()
        await engine.dispose()


async def resources(request: Request) -> Resources:
    """Return the resources of this process.

    A coroutine, as every dependency here: FastAPI runs plain functions in a thread pool.
    """
    return request.app.state.resources


Res = Annotated[Resources, Depends(resources)]


async def created(response: Response, res: Res) -> None:
    """Set the status of a create to 200 instead of 201 if the settings ask for it."""
    if res.settings.answers_create_with_200:
        response.status_code = 200


Created = Depends(created)
