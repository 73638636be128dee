"""What a BACKGROUND_REMOVE attempt gets and gives. Field names are the REST API's."""

from abc import ABC, abstractmethod
from enum import StrEnum

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptRequest, AttemptResult
from shared.contracts.message import Message


class RembgModel(StrEnum):
    """The models that a request may ask for, by their names in rembg."""

    U2NET = "u2net"
    U2NETP = "u2netp"
    U2NET_HUMAN_SEG = "u2net_human_seg"
    U2NET_CLOTH_SEG = "u2net_cloth_seg"
    SILUETA = "silueta"
    ISNET_GENERAL_USE = "isnet-general-use"
    ISNET_ANIME = "isnet-anime"
    SAM = "sam"


class RemoverConfig(Message):
    """Provider config of `local`, as far as backgrounds are concerned."""

    rembg_model: RembgModel | None = None
    """None: u2net where its file lies in the model directory, else the packaged u2netp."""


class BackgroundRemovalInputs(Message):
    """A BACKGROUND_REMOVE, complete."""

    input_image_paths: list[str] = Field(min_length=1)
    """Object keys of the pictures."""


class RemoveBackgrounds(AttemptRequest):
    """One attempt at a BACKGROUND_REMOVE."""

    inputs: BackgroundRemovalInputs
    remover: RemoverConfig = RemoverConfig()


class CutoutResults(Message):
    """A cut-out for each picture that could be read, in order.

    The names of the objects count the inputs, so that each is known by its input even where another
    one is at fault.
    """

    result_image_paths: list[str] = Field(description="A cut-out for each picture, in order")
    rembg_model_used: RembgModel = Field(description="The model that cut the pictures out")


class RemoveBackgroundsResult(CutoutResults, AttemptResult):
    """An attempt that cut pictures out."""


class BackgroundRemovalActivities(ABC):
    """Activities on the `inference-cpu` queue. Idempotent: keys derive from task and attempt."""

    @activity.defn(name="remove_backgrounds")
    @abstractmethod
    async def remove_backgrounds(self, request: RemoveBackgrounds) -> RemoveBackgroundsResult:
        """Cut out what each picture is about."""
