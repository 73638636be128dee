"""The description of an app on fal: its fields by task type.

An app of which nothing is known is described by the conventional names of its kind, and takes
every value; `is_known` is false.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.options import Bounds, Choices, Option


class Media(StrEnum):
    """The field of an app's response that holds its result."""

    IMAGES = "images"
    IMAGE = "image"
    VIDEO = "video"
    ANYTHING = "anything"
    """The whole response, and each file in it."""


class Sizing(StrEnum):
    """The field of an app that takes the size of the result."""

    IMAGE_SIZE = "image_size"
    """An object with `width` and `height`."""
    ASPECT_RATIO = "aspect_ratio"
    RESOLUTION_MODE = "resolution_mode"


class Takes(StrEnum):
    """Fields that some picture apps take, under the same name in all of them."""

    SEED = "seed"
    NUM_IMAGES = "num_images"
    STEPS = "num_inference_steps"
    GUIDANCE = "guidance_scale"
    NEGATIVE_PROMPT = "negative_prompt"
    STRENGTH = "strength"
    LORAS = "loras"
    OUTPUT_FORMAT = "output_format"


STEPS = Bounds(1, 50, is_whole=True)
MAX_REFERENCES = 8
"""Limit for apps that take a list of pictures and state no limit."""


def _no_options() -> Mapping[str, Option]:
    return {}


@dataclass(frozen=True, kw_only=True)
class PictureApp:
    """An app that generates or edits pictures.

    Attributes:
        id: its id.
        picture: the field of the input picture; none if it takes no picture. The field
            `image_urls` takes a list, whose first picture is the base.
        max_references: number of pictures beside the base.
        sizing: the field of the size; none if the result has the input's size.
        ratios: the aspect ratios that field takes.
        takes: the other fields that it takes.
        max_images: largest `num_images`.
        config: keys of a task's `config` that it takes unchanged.
        is_known: false if the description is a guess.
    """

    id: str
    picture: str | None = None
    max_references: int = 0
    sizing: Sizing | None = Sizing.IMAGE_SIZE
    ratios: tuple[str, ...] = ()
    takes: frozenset[Takes]
    max_images: int = 4
    config: Mapping[str, Option] = field(default_factory=_no_options)
    is_known: bool = True

    @property
    def output(self) -> Media:
        """The field of the result."""
        return Media.IMAGES

    @property
    def takes_list(self) -> bool:
        """True if the base and the references go as one list."""
        return self.picture == "image_urls"

    @property
    def generation_capabilities(self) -> frozenset[Cap]:
        """Capabilities for GENERATION, whose reference is the input picture."""
        found = self._own_capabilities
        return found | {Cap.REFERENCE_IMAGE} if self.picture else found

    @property
    def editing_capabilities(self) -> frozenset[Cap]:
        """Capabilities for EDITING, whose references are pictures beside the base."""
        found = self._own_capabilities
        if self.max_references:
            found |= {Cap.REFERENCE_IMAGE}
        return found | {Cap.MULTI_REFERENCE} if self.max_references > 1 else found

    @property
    def _own_capabilities(self) -> frozenset[Cap]:
        found = frozenset(_CAPABILITY_OF[each] for each in self.takes & _CAPABILITY_OF.keys())
        if Takes.LORAS in self.takes:
            found |= {Cap.MULTI_LORA}
        if self.sizing is not None:
            is_exact = self.sizing is Sizing.IMAGE_SIZE
            found |= {Cap.OUTPUT_SIZE if is_exact else Cap.ASPECT_RATIO}
        return found


_CAPABILITY_OF = {
    Takes.SEED: Cap.SEED,
    Takes.NEGATIVE_PROMPT: Cap.NEGATIVE_PROMPT,
    Takes.LORAS: Cap.LORA,
}


@dataclass(frozen=True, kw_only=True)
class UpscalerApp:
    """An app that enlarges a picture. Attributes without a field are none.

    Attributes:
        id: its id.
        factor: the field of the factor.
        factors: the factors that it takes.
        prompt: the field of the prompt.
        denoise: the field of the denoise strength.
        steps: the field of the number of steps.
        step_bounds: the numbers of steps that it takes.
        seed: the field of the seed.
        fixed: fields that always have the same value.
        config: keys of a task's `config` that it takes unchanged.
        is_known: false if the description is a guess.
    """

    id: str
    factor: str = "upscale_factor"
    factors: Bounds | Choices
    prompt: str | None = None
    denoise: str | None = None
    steps: str | None = None
    step_bounds: Bounds = STEPS
    seed: str | None = None
    fixed: Mapping[str, str | int | bool] = field(default_factory=dict[str, str | int | bool])
    config: Mapping[str, Option] = field(default_factory=_no_options)
    is_known: bool = True

    @property
    def output(self) -> Media:
        """The field of the result."""
        return Media.IMAGE

    @property
    def largest_factor(self) -> float:
        """The largest factor that it takes."""
        return self.factors.high if isinstance(self.factors, Bounds) else max(self._listed)

    def fitting_factor(self, least: float) -> float | None:
        """Return the smallest factor that enlarges at least so much; none if there is none."""
        if isinstance(self.factors, Bounds):
            factor = max(least, self.factors.low)
            return factor if factor <= self.factors.high else None
        return min((each for each in self._listed if each >= least), default=None)

    @property
    def capabilities(self) -> frozenset[Cap]:
        """Capabilities for REFINE; the result is resampled to the size asked for."""
        found = frozenset({Cap.OUTPUT_SIZE})
        fixed = {2: Cap.UPSCALE_2X, 4: Cap.UPSCALE_4X, 8: Cap.UPSCALE_8X, 16: Cap.UPSCALE_16X}
        found |= {cap for each, cap in fixed.items() if self.factors.fault(each) is None}
        if isinstance(self.factors, Bounds):
            found |= {Cap.UPSCALE_FLOAT}
        return found | {Cap.SEED} if self.seed else found

    @property
    def _listed(self) -> list[float]:
        values = self.factors.values if isinstance(self.factors, Choices) else ()
        return [float(each) for each in values]


class Spelling(StrEnum):
    """The ways in which apps spell a duration."""

    TEXT = "text"
    """The text "5"."""
    SECONDS = "seconds"
    """The text "5s"."""
    NUMBER = "number"
    NONE = "none"
    """No field: all videos have the same duration."""


@dataclass(frozen=True, kw_only=True)
class VideoApp:
    """An app that generates videos.

    Attributes:
        id: its id.
        picture: the field of the first picture; none if it generates from text alone.
        durations: the durations that it takes, in seconds; empty if any.
        spelling: of a duration.
        cfg_scale: the bounds of `cfg_scale`; none if it has no such field.
        takes_negative_prompt: true if it has the field `negative_prompt`.
        audio: the field that switches sound on; none if it has none.
        ratios: the values of `aspect_ratio`; empty if it has no such field.
        is_known: false if the description is a guess.
    """

    id: str
    picture: str | None = None
    durations: tuple[int, ...] = ()
    spelling: Spelling = Spelling.TEXT
    cfg_scale: Bounds | None = None
    takes_negative_prompt: bool = False
    audio: str | None = None
    ratios: tuple[str, ...] = ()
    is_known: bool = True

    @property
    def output(self) -> Media:
        """The field of the result."""
        return Media.VIDEO

    def duration(self, seconds: int) -> str | int | None:
        """Return a duration as the app spells it; none if it has no field for it."""
        match self.spelling:
            case Spelling.TEXT:
                return str(seconds)
            case Spelling.SECONDS:
                return f"{seconds}s"
            case Spelling.NUMBER:
                return seconds
            case Spelling.NONE:
                return None

    @property
    def capabilities(self) -> frozenset[Cap]:
        """Capabilities for VIDEO_GENERATION."""
        found = frozenset({Cap.IMAGE_TO_VIDEO if self.picture else Cap.TEXT_TO_VIDEO})
        return found | {Cap.NEGATIVE_PROMPT} if self.takes_negative_prompt else found


FalApp = PictureApp | UpscalerApp | VideoApp
