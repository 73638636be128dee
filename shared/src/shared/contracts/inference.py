"""Activities of the inference worker: generation, editing, refinement."""

from abc import ABC, abstractmethod

from temporalio import activity

from shared.contracts.attempts import PictureResult
from shared.contracts.editing import EditImage
from shared.contracts.generation import GenerateImage
from shared.contracts.refinement import RefineImage, RefineImageResult


class InferenceActivities(ABC):
    """Activities of the `inference` task queue. Idempotent: keys derive from task and attempt."""

    @activity.defn(name="generate_image")
    @abstractmethod
    async def generate_image(self, request: GenerateImage) -> PictureResult:
        """Make the pictures of one GENERATION and store them."""

    @activity.defn(name="edit_image")
    @abstractmethod
    async def edit_image(self, request: EditImage) -> PictureResult:
        """Edit one picture by a prompt, and store the result."""


class RefinerActivities(ABC):
    """The refiner's activity, of the queues `inference` and `inference-cpu`."""

    @activity.defn(name="refine_image")
    @abstractmethod
    async def refine_image(self, request: RefineImage) -> RefineImageResult:
        """Refine one picture tile by tile and store it."""
