"""Conversion of a request to a training's row, with its origin, images and folder."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.ownership import Origin, claim_origin
from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.image_sources import Destination, picture_gone, resolve_source
from api_gateway.resources import Resources
from api_gateway.training.checks import is_served_model
from api_gateway.training.schemas import TrainingTaskCreate
from api_gateway.uploads import Upload
from shared.contracts.enums import TaskPriority, TrainingStatus
from shared.contracts.folders import TRAININGS_FOLDER
from shared.contracts.pictures import is_remote
from shared.contracts.training import LORA_FOLDERS
from shared.db.models.tables import StoredObject
from shared.db.models.trainings import Training
from shared.db.repositories.object_use import lock_objects
from shared.images.admission import ImageRefusedError

_UNSTATED = "unknown"
"""The reference's name of an instance that the client has not named."""

_FLUX_SIDE_PX = 1024
"""Side that FLUX.1 was trained at, in pixels."""

_SENT = (
    "training_type",
    "entity_type",
    "entity_id",
    "trigger_word",
    "rank",
    "steps",
    "learning_rate",
    "sample_prompts",
    "base_model_path",
    "bypass_guidance_embedding",
    "origin_version",
    "preprocessing_transforms",
    "preprocessing_captioning_strategy",
    "preprocessing_captioning_prompt",
)
_SET_BY_OPERATORS = (
    "batch_size",
    "gradient_accumulation",
    "optimizer",
    "save_every",
    "max_step_saves_to_keep",
    "sample_every",
    "sample_steps",
)
"""Fields that a request cannot set, and operators can."""


def training_origin(caller: Principal, body: TrainingTaskCreate) -> Origin:
    """Return the owner of a training; an instance that is not named is the credential's own.

    Raises:
        Problem: 403, the request names another origin than the credential is bound to.
    """
    named = body.origin_instance or _UNSTATED
    if named == _UNSTATED and caller.scope.origin_instance is not None:
        named = caller.scope.origin_instance
    return claim_origin(caller, Origin(named, body.origin_zone, body.origin_tenant_id, None))


def draft_training(body: TrainingTaskCreate, origin: Origin, res: Resources) -> Training:
    """Return a row for a request, not added to a session yet, without its images."""
    training_id, now = uuid.uuid4(), datetime.now(UTC)
    sent = {name: getattr(body, name) for name in _SENT}
    chosen = {name: getattr(res.training, name) for name in _SET_BY_OPERATORS}
    return Training(
        id=training_id,
        status=TrainingStatus.PENDING,
        training_folder=LORA_FOLDERS[body.entity_type],
        webhook_url=body.webhook_url or None,
        temporal_id=f"training-{training_id}",
        source_images=[],
        progress=0,
        current_step=0,
        logs="",
        errors=[],
        last_seq=0,
        created_at=now,
        updated_at=now,
        priority=TaskPriority.NORMAL,
        operator_settings=_operator_settings(res, body.base_model_path),
        **vars(origin),
        **sent,
        **chosen,
    )


def _operator_settings(res: Resources, base_model: str | None) -> dict[str, Any]:
    """Return the further hyperparameters, with the resolutions that the base model was made for."""
    further = res.training.further
    if not further.resolutions:
        is_served = is_served_model(res, base_model)
        side_px = res.model.native_side_px if is_served else _FLUX_SIDE_PX
        further = further.model_copy(update={"resolutions": [side_px]})
    return further.model_dump(mode="json")


async def take_sources(
    training: Training,
    body: TrainingTaskCreate,
    origin: Origin,
    res: Resources,
    caller: Principal,
) -> tuple[list[Upload], list[Fault]]:
    """Resolve the images of a training.

    Returns:
        The uploads to be stored before the training is written, and the faults of the request.
    """
    sources = body.source_images or []
    if not sources:
        message = "give at least one image to train on"
        return [], [Fault(("body", "source_images"), message)]
    destination = Destination(
        TRAININGS_FOLDER, training.id, origin.origin_instance, origin.origin_tenant_id
    )
    uploads: dict[str, Upload] = {}
    faults: list[Fault] = []
    taken: list[str] = []
    for index, source in enumerate(sources):
        try:
            found = await resolve_source(source, destination, res, caller)
        except ImageRefusedError as error:
            faults.append(Fault(("body", "source_images", index), str(error)))
            continue
        if isinstance(found, Upload):
            # Equal bytes are one object.
            uploads[found.row.key] = found
        taken.append(_name(found))
    training.source_images = taken
    return list(uploads.values()), faults


async def add_training(
    session: AsyncSession, caller: Principal, training: Training, uploads: list[Upload]
) -> None:
    """Add a training with the rows of its uploads, and lock its other images until the commit.

    Raises:
        Problem: 409, an image was deleted since the request was checked.
    """
    own = {upload.row.key for upload in uploads}
    paths = [each for each in training.source_images if not is_remote(each) and each not in own]
    found = await lock_objects(session, caller.scope, paths)
    if gone := [path for path in paths if path not in found]:
        raise picture_gone(gone[0])
    training.picture_objects = {path: key for path, key in found.items() if path != key} or None
    session.add_all([training, *(upload.row for upload in uploads)])


def _name(found: Upload | StoredObject | str) -> str:
    if isinstance(found, str):
        return found
    return found.row.key if isinstance(found, Upload) else found.key
