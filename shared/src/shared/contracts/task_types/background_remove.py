"""BACKGROUND_REMOVE: makes the backgrounds of pictures transparent."""

from datetime import timedelta

from pydantic import Field

from shared.contracts.background_removal import (
    BackgroundRemovalActivities,
    CutoutResults,
    RemoveBackgrounds,
)
from shared.contracts.enums import ProviderType, TaskQueue
from shared.contracts.fields import ImageSources
from shared.contracts.task_types.row import InputFields, OwnActivity, PictureField, TaskTypeRow


class BackgroundRemovalFields(InputFields):
    """Inputs of a BACKGROUND_REMOVE."""

    input_image_paths: ImageSources = Field(
        min_length=1, description="List of image paths or URLs for batch background removal"
    )


ROW = TaskTypeRow(
    inputs=BackgroundRemovalFields,
    results=CutoutResults,
    folder="background_removals",
    start_to_close=timedelta(minutes=10),
    default_provider=ProviderType.LOCAL,
    pictures=(PictureField("input_image_paths", "input_image_paths"),),
    activity=OwnActivity(
        BackgroundRemovalActivities.remove_backgrounds, RemoveBackgrounds, config_as="remover"
    ),
    local_queue=TaskQueue.INFERENCE_CPU,
)
