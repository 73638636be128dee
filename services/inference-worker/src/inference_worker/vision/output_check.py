"""The optional safety check of generated pictures; off unless a threshold is set."""

import numpy as np
from PIL import Image

from inference_worker.errors import UnsafeOutputError
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings


class OutputCheck:
    """The optional NSFW check of outputs.

    Every generated picture that a client can read passes it before it is stored: outputs, and
    edited regions if debug pictures are requested. Checkpoints of regions are not checked: no
    record owns them, so the API neither lists nor serves them, nor accepts them as inputs. A region
    alone often shows only skin, and would be refused for that.

    Args:
        settings: the score from which a picture is refused; 0: none is, and no model is loaded.
        models: supplies the classifier.
    """

    def __init__(self, settings: VisionSettings, models: VisionModels) -> None:
        self._threshold = settings.nsfw_threshold
        self._models = models

    def require_safe(self, picture: Image.Image, name: str) -> None:
        """Check a picture before it is stored. Blocks.

        Args:
            picture: any mode.
            name: of the picture, for the message: `output 0`.

        Raises:
            UnsafeOutputError: its score reaches the threshold; the task fails as CONTENT_POLICY.
        """
        if not self._threshold:
            return
        score = self._models.nsfw.nsfw_score(np.asarray(picture.convert("RGB")))
        if score >= self._threshold:
            raise UnsafeOutputError(name, score, self._threshold)
