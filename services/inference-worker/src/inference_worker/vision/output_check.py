"""Whether pictures that this worker made may be handed out; off unless a threshold is set."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from inference_worker.errors import UnsafeOutputError
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings


class OutputCheck:
    """The optional NSFW check of outputs.

    Args:
        settings: from which score on a picture is refused; 0: none is, and no model is opened.
        models: where the classifier comes from.
    """

    def __init__(self, settings: VisionSettings, models: VisionModels) -> None:
        self._threshold = settings.nsfw_threshold
        self._models = models

    def require_safe(self, pictures: Iterable[Image.Image]) -> None:
        """Returns if every picture may be handed out. Blocks; to be called before storing them.

        Raises:
            UnsafeOutputError: one may not, as CONTENT_POLICY; the message says which.
        """
        if not self._threshold:
            return
        for index, picture in enumerate(pictures):
            score = self._models.nsfw.nsfw_score(np.asarray(picture.convert("RGB")))
            if score >= self._threshold:
                raise UnsafeOutputError(index, score, self._threshold)
