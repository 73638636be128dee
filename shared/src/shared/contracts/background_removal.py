"""Messages and activity of BACKGROUND_REMOVE attempts. Field names are those of the REST API."""

from abc import ABC, abstractmethod
from enum import StrEnum

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptRequest, AttemptResult
from shared.contracts.message import Message


class RembgModel(StrEnum):
    """Models that a request may choose, by their names in rembg."""

    U2NET = "u2net"
    U2NETP = "u2netp"
    U2NET_HUMAN_SEG = "u2net_human_seg"
    U2NET_CLOTH_SEG = "u2net_cloth_seg"
    SILUETA = "silueta"
    ISNET_GENERAL_USE = "isnet-general-use"
    ISNET_ANIME = "isnet-anime"
    SAM = "sam"


class RemoverConfig(Message):
    """Keys of the `local` provider's configuration that background removal reads."""

    rembg_model: RembgModel | None = None
    """None: u2net if its file is in the model directory, otherwise the packaged u2netp."""


class BackgroundRemovalInputs(Message):
    """The complete inputs of a BACKGROUND_REMOVE."""

    input_image_paths: list[str] = Field(min_length=1)
    """Object keys of the pictures."""


class RemoveBackgrounds(AttemptRequest):
    """One attempt at a BACKGROUND_REMOVE."""

    inputs: BackgroundRemovalInputs
    remover: RemoverConfig = RemoverConfig()


class CutoutResults(Message):
    """One cut-out for each picture that could be read, in the order of the inputs.

    Object names contain the index of the input, so that each cut-out can be matched to its input
    even if another input failed.
    """

    result_image_paths: list[str] = Field(
        description="Paths of the cut-outs, one for each picture, in order"
    )
    rembg_model_used: RembgModel = Field(description="The model that segmented the pictures")


class RemoveBackgroundsResult(CutoutResults, AttemptResult):
    """The result of an attempt that removed backgrounds."""


class BackgroundRemovalActivities(ABC):
    """Activities of the `inference-cpu` queue. Idempotent: keys derive from task and attempt."""

    @activity.defn(name="remove_backgrounds")
    @abstractmethod
    async def remove_backgrounds(self, request: RemoveBackgrounds) -> RemoveBackgroundsResult:
        """Cut out the main subject of each picture, and store the cut-outs."""
