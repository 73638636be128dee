"""The first and the last frame of a video, for the contact sheet."""
# PyAV is typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import io

import av
from PIL import Image


def first_and_last(content: bytes) -> list[Image.Image]:
    """Return two frames of a short video; one if it has no more."""
    frames: list[Image.Image] = []
    with av.open(io.BytesIO(content), "r") as container:
        for frame in container.decode(video=0):
            frames[1:] = [frame.to_image()]
    return frames
