"""Whether pictures that this worker made may be handed out; off unless a threshold is set."""

import numpy as np
from PIL import Image

from inference_worker.errors import UnsafeOutputError
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings


class OutputCheck:
    """The optional NSFW check of outputs.

    Every picture that a generative model made and a client can read by itself passes it before it
    is stored: outputs, and edited parts where debug pictures are asked for. The checkpoints of
    parts do not: no record owns them, so that the API neither lists nor serves them, nor takes them
    as inputs. A part alone is often nothing but skin, and would be refused for that.

    Args:
        settings: from which score on a picture is refused; 0: none is, and no model is opened.
        models: where the classifier comes from.
    """

    def __init__(self, settings: VisionSettings, models: VisionModels) -> None:
        self._threshold = settings.nsfw_threshold
        self._models = models

    def require_safe(self, picture: Image.Image, name: str) -> None:
        """Returns if the picture may be handed out. Blocks; to be called before storing it.

        Args:
            picture: any mode.
            name: of the picture, for the message: `output 0`.

        Raises:
            UnsafeOutputError: it may not, as CONTENT_POLICY.
        """
        if not self._threshold:
            return
        score = self._models.nsfw.nsfw_score(np.asarray(picture.convert("RGB")))
        if score >= self._threshold:
            raise UnsafeOutputError(name, score, self._threshold)
