"""Real-ESRGAN x4plus (Wang et al. 2021) on the CPU, tile by tile.

Besides the picture and its result, memory is that of one tile, independent of the picture's size.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.upscaling.ncnn_net import NcnnNet
from inference_worker.upscaling.regions import Region, regions
from inference_worker.upscaling.upscaler import (
    LANCZOS,
    FloatBox,
    covering_box,
    ignore_progress,
    is_enlarged,
)
from shared.cancellation import NEVER, CancelFlag, stop_if
from shared.errors import InvalidInputError

_Pixels = NDArray[np.uint8]

_FACTOR = 4
"""Scale factor of the network."""
_LARGEST_STEP = 5
"""Largest factor for a single run of the network, followed by Lanczos."""
_MOST_PIXELS = 2**21
"""Limit of the network's input, in pixels: 15 minutes on two CPU threads. More could exceed the
attempt's timeout, and the next attempt would start over."""
_TILE_PX = 120
_CONTEXT_PX = 32
"""Context of a tile for the network's body. The receptive field is larger, with decreasing
influence. With 10 pixels, as in the authors' program, tiles of a photograph differ from the whole
picture's result by 1.4 levels in the mean and 28 at most; with 32, by 0.2 and about 4."""
_TAIL_TILE_PX = 64
_TAIL_CONTEXT_PX = 2
"""The tail's whole receptive field: five pixels of its result."""
_RESAMPLING_PX = 4
"""The largest context of Lanczos, rounded up to a whole pixel."""
_INPUT, _FEATURES, _OUTPUT = "data", "1878", "output"
"""Blobs of the network: the body ends with features at the picture's resolution, [64, H, W].

The tail enlarges them. It needs 16 times the memory per pixel, but has a small receptive field."""


class RealEsrgan:
    """`Upscaler` by Real-ESRGAN; a result no larger than its source uses Lanczos only.

    Args:
        param: file of the network's structure.
        model: file of its weights.
        threads: CPU threads of one run.

    Raises:
        InvalidInputError: from `upscale`, for more pixels than a task has time for.
    """

    def __init__(self, param: Path, model: Path, *, threads: int) -> None:
        self._net = NcnnNet(param, model, threads=threads)

    def upscale(
        self,
        picture: Image.Image,
        size: tuple[int, int],
        *,
        cancel: CancelFlag = NEVER,
        on_progress: Callable[[float], None] = ignore_progress,
    ) -> Image.Image:
        if not is_enlarged(picture.size, size):
            return LANCZOS.upscale(picture, size)
        box = covering_box(picture.size, size)
        across, down = size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1])
        if max(across, down) > _LARGEST_STEP:
            halfway = math.ceil(size[0] / _FACTOR), math.ceil(size[1] / _FACTOR)
            _require_affordable(halfway)
            picture = self.upscale(picture, halfway, cancel=cancel)
            return self.upscale(picture, size, cancel=cancel, on_progress=on_progress)
        _require_affordable((math.ceil(box[2] - box[0]), math.ceil(box[3] - box[1])))
        source, result = np.asarray(picture), Image.new("RGB", size)
        tiles = list(regions(size, max(int(_TILE_PX * min(across, down)), 1)))
        for done, tile in enumerate(tiles):
            stop_if(cancel)
            on_progress(done / len(tiles))
            area = (
                box[0] + tile.left / across,
                box[1] + tile.top / down,
                box[0] + tile.right / across,
                box[1] + tile.bottom / down,
            )
            result.paste(self._render(source, area, tile.size), tile[:2])
        return result

    def _render(self, source: _Pixels, box: FloatBox, size: tuple[int, int]) -> Image.Image:
        """Enlarge an area of the picture, and resample it to its size in the result."""
        height, width = source.shape[:2]
        left, top, right, bottom = box
        inner = Region(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
        core = inner.grown(_RESAMPLING_PX, (width, height))
        enlarged = Image.fromarray(self._enlarge(source, core))
        within = (
            max((left - core.left) * _FACTOR, 0),
            max((top - core.top) * _FACTOR, 0),
            min((right - core.left) * _FACTOR, enlarged.width),
            min((bottom - core.top) * _FACTOR, enlarged.height),
        )
        return enlarged.resize(size, Image.Resampling.LANCZOS, within)

    def _enlarge(self, source: _Pixels, core: Region) -> _Pixels:
        """Run the network on a region of the picture: [4 H, 4 W, 3]."""
        height, width = source.shape[:2]
        around = core.grown(_CONTEXT_PX, (width, height))
        tensor = source[around.slices].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        features = self._net.run(tensor, start=_INPUT, stop=_FEATURES)
        enlarged = np.empty((core.size[1] * _FACTOR, core.size[0] * _FACTOR, 3), np.uint8)
        for own in regions(core.size, _TAIL_TILE_PX):
            piece = Region(
                core.left + own.left,
                core.top + own.top,
                core.left + own.right,
                core.top + own.bottom,
            )
            context = piece.grown(_TAIL_CONTEXT_PX, (width, height))
            rows, columns = context.relative_to(around).slices
            output = self._net.run(features[:, rows, columns], start=_FEATURES, stop=_OUTPUT)
            rows, columns = piece.relative_to(context, _FACTOR).slices
            levels = np.rint(np.clip(output[:, rows, columns], 0, 1) * 255).astype(np.uint8)
            place = own.relative_to(Region(0, 0, 0, 0), _FACTOR)
            enlarged[place.slices] = levels.transpose(1, 2, 0)
        return enlarged


def _require_affordable(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > _MOST_PIXELS:
        raise InvalidInputError(
            f"config.upscaler: real_esrgan is limited to {_MOST_PIXELS} input pixels, also for the"
            f" intermediate picture of large factors, but would get {width} × {height}; choose"
            " lanczos, or a smaller picture, upscale_factor or target"
        )
