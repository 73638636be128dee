"""DETAIL_ENHANCER: transfers a garment's detail from a reference picture."""

from datetime import timedelta

from pydantic import Field

from shared.contracts.attempts import PictureResults
from shared.contracts.enums import ProviderType
from shared.contracts.fields import ImageSource
from shared.contracts.fixing import EnhanceDetails, FixerActivities
from shared.contracts.task_types.row import InputFields, OwnActivity, PictureField, TaskTypeRow


class DetailEnhancerFields(InputFields):
    """Inputs of a DETAIL_ENHANCER."""

    base_image: ImageSource = Field(
        description="Base image as base64, data URL (data:image/...), or remote URL (http://...)"
    )
    reference_image: ImageSource = Field(
        description="Reference image for detail transfer as base64, data URL, or remote URL"
    )
    detail_label: str | None = Field(
        default=None,
        description="Type of detail to enhance (e.g., tshirt, shirt, pants, logos)",
    )


ROW = TaskTypeRow(
    inputs=DetailEnhancerFields,
    results=PictureResults,
    folder="detail_enhancers",
    start_to_close=timedelta(minutes=30),
    default_provider=ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER,
    pictures=(
        PictureField("base_image", "base_image_path"),
        PictureField("reference_image", "reference_image_path"),
    ),
    activity=OwnActivity(FixerActivities.enhance_details, EnhanceDetails, config_as="fixer"),
    is_tiled=True,
)
