"""Preprocessing transforms of training images, and the parameters of each."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.background_removal import RembgModel
from shared.contracts.enums import TransformType
from shared.contracts.message import Message
from shared.contracts.request_model import RequestModel, inconsistent

Side = Annotated[int, Field(ge=16, le=8192)]
"""A side in pixels."""

Aspect = Annotated[str, Field(pattern=r"^[1-9]\d{0,3}:[1-9]\d{0,3}$")]
"""Width to height, such as `3:4`."""

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class TransformParameters(RequestModel):
    """Parameters of one transform. Unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Sized(TransformParameters):
    """A target size: `size` for a square, or `width` and `height`."""

    size: Side | None = None
    width: Side | None = None
    height: Side | None = None

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise inconsistent("give both width and height, or size", "width", "height")
        if self.size is not None and self.width is not None:
            raise inconsistent("give size, or width and height, not both", "size", "width")
        return self

    @property
    def box(self) -> tuple[int, int] | None:
        """Width and height in pixels; None: not given."""
        if self.size is not None:
            return self.size, self.size
        if self.width is not None and self.height is not None:
            return self.width, self.height
        return None


class Resize(_Sized):
    """Scale by Lanczos; 1024 by default.

    `inside` keeps the aspect and fits into the size, `cover` keeps it and covers the size, `exact`
    stretches. Smaller pictures are enlarged with `upscale` only.
    """

    fit: Literal["inside", "cover", "exact"] = "inside"
    upscale: bool = False


class CenterCrop(_Sized):
    """Cut out the largest centred part of an aspect: of the size's, or of `aspect`; 1:1 by default.

    A size also bounds the cut-out: it is at most that large.
    """

    aspect: Aspect | None = None

    @model_validator(mode="after")
    def _check_aspect(self) -> Self:
        if self.aspect is not None and self.box is not None:
            raise inconsistent("give aspect, or a size, not both", "aspect")
        return self


class Pad(TransformParameters):
    """Centre the picture on a canvas: of an aspect (1:1 by default), or of width and height."""

    aspect: Aspect | None = None
    width: Side | None = None
    height: Side | None = None
    color: Colour | Literal["edge"] = "#ffffff"
    """Colour of the canvas; `edge` repeats the picture's outermost pixels."""

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise inconsistent("give both width and height, or aspect", "width", "height")
        if self.aspect is not None and self.width is not None:
            raise inconsistent("give aspect, or width and height, not both", "aspect", "width")
        return self


class FaceCrop(TransformParameters):
    """Cut out the largest face, grown on each side by `margin` times the face's own side."""

    margin: float = Field(default=0.5, ge=0, le=5)
    min_confidence: float = Field(default=0.6, gt=0, le=1)
    on_missing: Literal["keep", "skip"] = "keep"
    """A picture without a face stays whole, or is left out of the dataset."""


class BackgroundRemoval(TransformParameters):
    """Put the subject's cut-out on a colour."""

    color: Colour = "#ffffff"
    model: RembgModel | None = None
    """The model, as in BACKGROUND_REMOVE; None: that task's default."""


class Flip(TransformParameters):
    """Mirror pictures; `add` keeps the original beside its mirror image."""

    axis: Literal["horizontal", "vertical"] = "horizontal"
    mode: Literal["add", "replace"] = "add"


class ColorNormalize(TransformParameters):
    """Remove a colour cast.

    `gray_world` scales each channel by a factor of 0.5 to 2 to the common mean; `autocontrast`
    stretches the levels, `cutoff` percent of the pixels ignored at each end.
    """

    method: Literal["gray_world", "autocontrast"] = "gray_world"
    strength: float = Field(default=1.0, ge=0, le=1)
    cutoff: float = Field(default=1.0, ge=0, lt=50)


TRANSFORMS: Mapping[TransformType, type[TransformParameters]] = {
    TransformType.RESIZE: Resize,
    TransformType.CENTER_CROP: CenterCrop,
    TransformType.PAD: Pad,
    TransformType.FACE_CROP: FaceCrop,
    TransformType.BACKGROUND_REMOVAL: BackgroundRemoval,
    TransformType.FLIP: Flip,
    TransformType.COLOR_NORMALIZE: ColorNormalize,
}
"""The parameters of each type of transform."""


class Transform(Message):
    """One preprocessing step of every source picture; steps run in the order given."""

    type: TransformType
    parameters: dict[str, Any] = {}
    """Parameters of the transform, as in the request: `{"size": 1024}`."""

    @property
    def checked(self) -> TransformParameters:
        """The parameters as their own type.

        Raises:
            ValidationError: they are invalid.
        """
        return TRANSFORMS[self.type].model_validate(self.parameters)
