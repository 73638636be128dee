"""The steps of a request, one after the other."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.preprocessing.pipeline import MirrorState, TransformSteps
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from shared.contracts.enums import TransformType
from shared.contracts.transforms import Transform
from shared.errors import InvalidInputError
from tests.fixtures.segmenters import ColourModels

ADD, DOWN = Transform(type=TransformType.FLIP), {"axis": "vertical"}


def steps(*transforms: Transform, models: Any = None) -> TransformSteps:
    return TransformSteps.checked(
        transforms, models or VisionModels(VisionSettings()), max_pixels=1_000_000
    )


def step(kind: TransformType, **parameters: Any) -> Transform:
    return Transform(type=kind, parameters=parameters)


def slope(width: int = 40, height: int = 20) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([columns, rows, rows * 0], axis=2).astype(np.uint8))


def corner(picture: Image.Image) -> list[int]:
    return np.asarray(picture)[0, 0, :2].tolist()


def test_no_steps_change_nothing() -> None:
    picture = slope()
    assert steps().apply(picture) == {MirrorState(): picture}


def test_steps_run_in_their_order() -> None:
    crop = step(TransformType.CENTER_CROP, aspect="1:1")
    wide = step(TransformType.PAD, aspect="2:1")
    [(_, padded)] = steps(crop, wide).apply(slope()).items()
    [(_, cropped)] = steps(wide, crop).apply(slope()).items()
    assert (padded.size, cropped.size) == ((40, 20), (20, 20))
    assert corner(padded) == [255, 255], "white canvas"


def test_all_types_compose() -> None:
    every = [
        step(TransformType.RESIZE, size=32, fit="cover"),
        step(TransformType.CENTER_CROP),
        step(TransformType.FACE_CROP),
        step(TransformType.BACKGROUND_REMOVAL, color="#ffffff"),
        step(TransformType.PAD, aspect="3:2"),
        step(TransformType.COLOR_NORMALIZE),
        step(TransformType.FLIP),
    ]
    assert {each.type for each in every} == set(TransformType)
    variants = steps(*every, models=ColourModels()).apply(Image.new("RGB", (64, 64), "red"))
    assert [picture.size for picture in variants.values()] == [(48, 32)] * 2


def test_flip_adds_a_mirror_image() -> None:
    variants = steps(ADD).apply(slope())
    assert {state.suffix: corner(picture) for state, picture in variants.items()} == {
        "": [0, 0],
        "-mirror": [39, 0],
    }


def test_both_axes_add_three_images() -> None:
    variants = steps(ADD, step(TransformType.FLIP, **DOWN)).apply(slope())
    assert {state.suffix: corner(picture) for state, picture in variants.items()} == {
        "": [0, 0],
        "-mirror": [39, 0],
        "-flip": [0, 19],
        "-mirror-flip": [39, 19],
    }


def test_mirror_image_is_not_added_twice() -> None:
    assert len(steps(ADD, ADD).apply(slope())) == 2


def test_flip_replaces() -> None:
    [(state, picture)] = steps(step(TransformType.FLIP, mode="replace")).apply(slope()).items()
    assert (state.suffix, corner(picture)) == ("", [39, 0])


def test_later_steps_apply_to_mirror_images_too() -> None:
    variants = steps(ADD, step(TransformType.RESIZE, size=20)).apply(slope())
    assert [picture.size for picture in variants.values()] == [(20, 10)] * 2


def test_invalid_parameters_are_named() -> None:
    with pytest.raises(InvalidInputError, match=r"preprocessing_transforms\[1\] \(resize\): .*fit"):
        steps(ADD, step(TransformType.RESIZE, fit="wide"))


def test_missing_model_is_found_before_the_work() -> None:
    with pytest.raises(InvalidInputError, match="'silueta' is not on this worker"):
        steps(step(TransformType.BACKGROUND_REMOVAL, model="silueta"))
