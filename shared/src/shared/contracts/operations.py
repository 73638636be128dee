"""The task types whose own workers come later: what their attempts get and give.

Field names are the REST API's. Inputs are as the gateway checked them; each type's own message
takes their place when its worker is written.
"""

from abc import ABC, abstractmethod
from typing import Any

from temporalio import activity

from shared.contracts.attempts import AttemptRequest, AttemptResult


class Operation(AttemptRequest):
    """One attempt."""

    inputs: dict[str, Any]
    """The task type's request fields; pictures as object keys."""


class PictureResult(AttemptResult):
    """One picture, or several where they were asked for."""

    result_image_path: str
    result_image_paths: list[str] | None = None


class FaceResult(PictureResult):
    """The picture with its face mended, or as it came where it has none."""

    face_detected: bool
    attempts_used: int = 0
    final_ssim_score: float | None = None
    final_lpips_score: float | None = None
    final_dists_score: float | None = None


class OperationActivities(ABC):
    """Activities on the queue of whichever provider serves the task type."""

    @activity.defn(name="enhance_details")
    @abstractmethod
    async def enhance_details(self, request: Operation) -> PictureResult:
        """DETAIL_ENHANCER."""

    @activity.defn(name="enhance_faces")
    @abstractmethod
    async def enhance_faces(self, request: Operation) -> FaceResult:
        """FACE_ENHANCER."""
