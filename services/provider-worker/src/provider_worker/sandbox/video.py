"""Real videos: a pan over a picture, as a small MP4 that browsers play."""
# PyAV is typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageOps

from provider_worker.sandbox.orders import Size

FPS = 8
LONG_SIDE = 320
_ZOOM = 1.25


@dataclass(frozen=True)
class Clip:
    """An encoded video."""

    content: bytes
    size: Size
    duration_s: float


def pan(picture: Image.Image, seconds: float, ratio: float | None) -> Clip:
    """Return a video that pans over a picture.

    Args:
        picture: what is seen.
        seconds: the duration.
        ratio: width by height; none: the picture's.
    """
    size = _frame_size(ratio or picture.width / picture.height)
    wide = (round(size[0] * _ZOOM), round(size[1] * _ZOOM))
    canvas = ImageOps.fit(picture.convert("RGB"), wide, Image.Resampling.BILINEAR)
    count = max(1, round(seconds * FPS))
    views = (canvas.crop(_window(wide, size, at / max(1, count - 1))) for at in range(count))
    return Clip(_encoded(views, size), size, count / FPS)


def _window(canvas: Size, view: Size, share: float) -> tuple[int, int, int, int]:
    """Return the part of the canvas that is seen after a share of the pan."""
    left, top = (round((full - part) * share) for full, part in zip(canvas, view, strict=True))
    return left, top, left + view[0], top + view[1]


def _encoded(views: Iterable[Image.Image], size: Size) -> bytes:
    # A file on disk: its index can be moved to the front, so that playing begins at once.
    with tempfile.TemporaryDirectory(prefix="sartiq-sandbox-") as folder:
        path = Path(folder) / "clip.mp4"
        _write(path, views, size)
        return path.read_bytes()


def _write(path: Path, views: Iterable[Image.Image], size: Size) -> None:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "30"}
        stream.codec_context.thread_count = 1
        for number, view in enumerate(views):
            frame = av.VideoFrame.from_image(view)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _frame_size(ratio: float) -> Size:
    wide, high = (LONG_SIDE, LONG_SIDE / ratio) if ratio >= 1 else (LONG_SIDE * ratio, LONG_SIDE)
    return max(2, round(wide / 2) * 2), max(2, round(high / 2) * 2)
