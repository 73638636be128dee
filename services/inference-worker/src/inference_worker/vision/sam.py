"""Segment Anything (Kirillov et al., 2023), prompted with the picture's centre, as rembg does."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.guided_filter import guided_mask
from inference_worker.vision.onnx_model import OnnxModel
from inference_worker.vision.resizing import resize_map

_SIZE = 1024, 684
"""Input width and height of the exported encoder; pictures are scaled into its top left."""
_LONGEST = 1024
_FOREGROUND, _PADDING = 1.0, -1.0


class SamSegmenter:
    """`SubjectSegmenter` by SAM, for the object at the centre.

    Args:
        encoder: the image encoder's file.
        decoder: the mask decoder's file.
        threads: CPU threads of one run.
    """

    def __init__(self, encoder: Path, decoder: Path, *, threads: int) -> None:
        self._encoder = OnnxModel(encoder, threads=threads)
        self._decoder = OnnxModel(decoder, threads=threads)

    def subject_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the share of the subject in each pixel: H × W, 0 to 1."""
        height, width = picture.shape[:2]
        scale = min(_SIZE[0] / width, _SIZE[1] / height)
        fitted = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = np.zeros((_SIZE[1], _SIZE[0], 3), np.float32)
        small = Image.fromarray(picture).resize(fitted, Image.Resampling.BILINEAR)
        canvas[: fitted[1], : fitted[0]] = np.asarray(small)
        embedding = self._encoder.run(canvas)[0]
        logits = self._decode(embedding, (width // 2 * scale, height // 2 * scale))
        # The union of the masks, as in rembg.
        mask = (logits.max(axis=0) > 0).astype(np.float32)[: fitted[1], : fitted[0]]
        mask = resize_map(np.ascontiguousarray(mask), fitted)
        return guided_mask(mask, picture, longest=_LONGEST)

    def _decode(
        self, embedding: NDArray[np.float32], point: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Return mask logits (n × H × W, positive on the subject) for one point of the subject."""
        feed = {
            "image_embeddings": embedding,
            "point_coords": np.array([[point, (0, 0)]], np.float32),
            "point_labels": np.array([[_FOREGROUND, _PADDING]], np.float32),
            "mask_input": np.zeros((1, 1, 256, 256), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array(_SIZE[::-1], np.float32),
        }
        return self._decoder.run(*(feed[name] for name in self._decoder.input_names))[0][0]
