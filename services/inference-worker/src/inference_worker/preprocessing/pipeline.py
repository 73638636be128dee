"""The preprocessing steps of a request, applied to one picture after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image
from pydantic import ValidationError

from inference_worker.preprocessing.steps.colours import normalize_colours
from inference_worker.preprocessing.steps.geometry import center_crop, mirror, pad, resize
from inference_worker.preprocessing.steps.step import StepModels
from inference_worker.preprocessing.steps.subjects import crop_face, remove_background
from shared.contracts.transforms import (
    BackgroundRemoval,
    CenterCrop,
    ColorNormalize,
    FaceCrop,
    Flip,
    Pad,
    Resize,
    Transform,
    TransformParameters,
)
from shared.contracts.untrusted import describe_error
from shared.errors import InvalidInputError


class MirrorState(NamedTuple):
    """The mirror images that a variant is, relative to the picture itself."""

    horizontal: bool = False
    vertical: bool = False

    @property
    def suffix(self) -> str:
        """The part of a file's name that tells variants apart."""
        return ("-mirror" if self.horizontal else "") + ("-flip" if self.vertical else "")

    def toggled(self, axis: str) -> "MirrorState":
        """Return the state of the mirror image."""
        if axis == "horizontal":
            return MirrorState(not self.horizontal, self.vertical)
        return MirrorState(self.horizontal, not self.vertical)


@dataclass(frozen=True)
class TransformSteps:
    """The steps of a request.

    Attributes:
        steps: their parameters, in order.
        models: find faces and subjects.
        max_pixels: largest result of a step, width × height.
    """

    steps: tuple[TransformParameters, ...]
    models: StepModels
    max_pixels: int

    @classmethod
    def checked(
        cls, transforms: Sequence[Transform], models: StepModels, max_pixels: int
    ) -> "TransformSteps":
        """Check all parameters, and that the models are on this worker.

        Raises:
            InvalidInputError: a parameter is invalid, or a model is missing.
        """
        steps: list[TransformParameters] = []
        for place, transform in enumerate(transforms):
            try:
                steps.append(transform.checked)
            except ValidationError as error:
                raise InvalidInputError(
                    f"preprocessing_transforms[{place}] ({transform.type}): {describe_error(error)}"
                ) from None
        for step in steps:
            if isinstance(step, BackgroundRemoval):
                models.choose_subject_model(step.model)
        return cls(tuple(steps), models, max_pixels)

    def apply(self, picture: Image.Image) -> dict[MirrorState, Image.Image]:
        """Return the transformed picture, and its mirror images where `flip` adds them.

        A mirror image that is there already is not added again.

        Raises:
            InvalidInputError: a step's result would be too large.
            PictureLeftOut: a step leaves the picture out.
        """
        variants = {MirrorState(): picture}
        for step in self.steps:
            if isinstance(step, Flip) and step.mode == "add":
                for state, each in list(variants.items()):
                    if state.toggled(step.axis) not in variants:
                        variants[state.toggled(step.axis)] = mirror(each, step)
            else:
                variants = {state: self._apply(step, each) for state, each in variants.items()}
        return variants

    def _apply(self, step: TransformParameters, picture: Image.Image) -> Image.Image:
        match step:
            case Resize():
                return resize(picture, step, self.max_pixels)
            case CenterCrop():
                return center_crop(picture, step)
            case Pad():
                return pad(picture, step, self.max_pixels)
            case Flip():
                return mirror(picture, step)
            case ColorNormalize():
                return normalize_colours(picture, step)
            case _:
                return self._apply_model(step, picture)

    def _apply_model(self, step: TransformParameters, picture: Image.Image) -> Image.Image:
        if isinstance(step, FaceCrop):
            return crop_face(picture, step, self.models.faces)
        assert isinstance(step, BackgroundRemoval)
        model = self.models.choose_subject_model(step.model)
        return remove_background(picture, step, self.models.subjects_by(model))
