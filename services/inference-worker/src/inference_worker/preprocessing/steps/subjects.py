"""The transforms face_crop and background_removal, which find the subject by a model."""

import numpy as np
from PIL import Image

from inference_worker.background_removal.cut_out import cut_out
from inference_worker.preprocessing.steps.step import PictureLeftOut
from inference_worker.vision.protocols import FaceDetector, SubjectSegmenter
from shared.contracts.transforms import BackgroundRemoval, FaceCrop


def crop_face(picture: Image.Image, wanted: FaceCrop, detector: FaceDetector) -> Image.Image:
    """Cut out the largest face with its margin.

    Raises:
        PictureLeftOut: there is none, and the request leaves such pictures out.
    """
    found = [face for face in detector.faces(np.asarray(picture)) if _is_sure(face.score, wanted)]
    if not found:
        if wanted.on_missing == "skip":
            raise PictureLeftOut("left out: no face was found")
        return picture
    boxes = [face.box for face in found]
    box = max(boxes, key=lambda each: (each.right - each.left) * (each.bottom - each.top))
    across = wanted.margin * (box.right - box.left)
    down = wanted.margin * (box.bottom - box.top)
    left = min(max(0, round(box.left - across)), picture.width - 1)
    top = min(max(0, round(box.top - down)), picture.height - 1)
    right = min(max(left + 1, round(box.right + across)), picture.width)
    bottom = min(max(top + 1, round(box.bottom + down)), picture.height)
    return picture.crop((left, top, right, bottom))


def remove_background(
    picture: Image.Image, wanted: BackgroundRemoval, segmenter: SubjectSegmenter
) -> Image.Image:
    """Put the subject's cut-out on a colour."""
    subject = cut_out(picture, segmenter)
    canvas = Image.new("RGB", picture.size, wanted.color)
    canvas.paste(subject, mask=subject.getchannel("A"))
    return canvas


def _is_sure(score: float, wanted: FaceCrop) -> bool:
    return score >= wanted.min_confidence
