"""FACE_ENHANCER: redraws faces in more detail, and leaves the rest of the picture unchanged."""

from datetime import timedelta

from pydantic import Field

from shared.contracts.enums import ProviderType
from shared.contracts.fields import ImageSource
from shared.contracts.fixing import EnhanceFaces, FaceResults, FixerActivities
from shared.contracts.task_types.row import InputFields, OwnActivity, PictureField, TaskTypeRow


class FaceEnhancerFields(InputFields):
    """Inputs of a FACE_ENHANCER."""

    input_image: ImageSource = Field(
        description="Input image as base64, data URL (data:image/...), or remote URL (http://...)"
    )


ROW = TaskTypeRow(
    inputs=FaceEnhancerFields,
    results=FaceResults,
    folder="face_enhancers",
    start_to_close=timedelta(minutes=30),
    default_provider=ProviderType.SARTIQ_ULTIMATE_FACE_FIXER,
    pictures=(PictureField("input_image", "input_image_path"),),
    activity=OwnActivity(FixerActivities.enhance_faces, EnhanceFaces, config_as="fixer"),
    is_tiled=True,
)
