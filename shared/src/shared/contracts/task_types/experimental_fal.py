"""EXPERIMENTAL_FAL: runs any app on fal, with its parameters passed through."""

from datetime import timedelta
from typing import Any

from pydantic import ConfigDict, Field

from shared.contracts.enums import ProviderType
from shared.contracts.fields import Text
from shared.contracts.message import Message
from shared.contracts.task_types.row import InputFields, TaskTypeRow


class ExperimentalFalFields(InputFields):
    """Inputs of an EXPERIMENTAL_FAL."""

    fal_app_id: Text = Field(description="FAL app ID for task execution")
    fal_parameters: dict[str, Any] = Field(
        default={},
        description="Arbitrary parameters to pass to the FAL app. Stored pictures can be named by "
        "path at any depth; data URLs of pictures are stored, and their paths recorded",
    )


class AppResults(Message):
    """The app's response, which may have any fields."""

    model_config = ConfigDict(extra="allow")

    result_url: str | None = Field(
        default=None,
        description="URL of the first picture, video or file in the app's response; null if the "
        "response contains the files themselves, which `result_paths` names",
    )
    result_paths: list[str] | None = Field(
        default=None, description="Paths of the stored copies of all files in the response"
    )


ROW = TaskTypeRow(
    inputs=ExperimentalFalFields,
    results=AppResults,
    folder="experimental_fal",
    start_to_close=timedelta(minutes=30),
    default_provider=ProviderType.FAL_STANDARD,
)
