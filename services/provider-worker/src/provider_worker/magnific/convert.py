"""Conversion of a REFINE to Magnific's upscalers. Pure functions; the picture is given apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from provider_worker.inputs import read_inputs
from provider_worker.magnific.limits import (
    CREATIVE_FACTORS,
    PRECISION_FACTORS,
    check_creative_output,
    check_input,
    check_precision_output,
)
from shared.contracts.enums import ProviderType
from shared.contracts.message import Message
from shared.contracts.provenance import Provenance
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError

PICTURE_FIELD = "base_image_url"
_CREATIVE, _PRECISION = "image-upscaler", "image-upscaler-precision-v2"
_Level = Annotated[int, Field(ge=-10, le=10)]
_Percentage = Annotated[int, Field(ge=0, le=100)]
_Prompt = Annotated[
    str | None, Field(validation_alias=AliasChoices("defaultPrompt", "default_prompt"))
]
_UNPLACED = ("upscale_denoise", "upscale_steps", "upscale_seed", "target_width", "target_height")
"""Fields of a REFINE that neither upscaler has."""


class _CreativeOptions(Message):
    """The fields of `provider_config` for the creative upscaler."""

    creativity: _Level = 0
    hdr: _Level = 0
    resemblance: _Level = 0
    fractality: _Level = 0
    engine: Literal["automatic", "magnific_illusio", "magnific_sharpy", "magnific_sparkle"] = (
        "automatic"
    )
    optimized_for: Literal[
        "standard",
        "soft_portraits",
        "hard_portraits",
        "art_n_illustration",
        "videogame_assets",
        "nature_n_landscapes",
        "films_n_photography",
        "3d_renders",
        "science_fiction_n_horror",
    ] = "standard"
    default_prompt: _Prompt = None


class _PrecisionOptions(Message):
    """The fields of `provider_config` for the precision upscaler, version 2."""

    sharpen: _Percentage = 7
    smart_grain: _Percentage = 7
    ultra_detail: _Percentage = 30
    default_prompt: _Prompt = None


class _RefineInputs(Message):
    """Inputs of a REFINE as an upscaling."""

    base_image_url: str
    upscale_enabled: bool = True
    upscale_factor: float | None = None
    upscale_prompt: str | None = None
    face_detail_enabled: bool = False


@dataclass(frozen=True)
class Upscale:
    """An upscaling, less its picture.

    Attributes:
        endpoint: name of the upscaler in Magnific's URLs.
        picture: object key of the picture.
        factor: factor of width and height.
        fields: fields of the body, less the picture.
        ignored: request fields without a place at the upscaler.
    """

    endpoint: str
    picture: str
    factor: int
    fields: dict[str, Any]
    ignored: list[str]

    @property
    def is_creative(self) -> bool:
        """True for the creative upscaler, which takes no URLs."""
        return self.endpoint == _CREATIVE

    def check(self, width: int, height: int) -> None:
        """Check the picture's size.

        Raises:
            InvalidInputError: Magnific would refuse it, or the result.
        """
        check_input(width, height)
        check = check_creative_output if self.is_creative else check_precision_output
        check(width, height, self.factor)

    def provenance(self, width: int, height: int) -> Provenance:
        """Return the upscaler, what was ordered, and the request fields that did not reach it.

        Magnific reports no units, so the factor and the size of the result stand in the settings.

        Args:
            width: of the input picture.
            height: of the input picture.
        """
        flavor = self.fields.get("flavor")
        return Provenance(
            engine="magnific",
            model=f"{self.endpoint} ({flavor})" if flavor else self.endpoint,
            settings={
                "upscale_factor": self.factor,
                "output_megapixels": round(width * height * self.factor**2 / 1e6, 2),
            },
            ignored=self.ignored,
        )


def endpoint_of(provider: ProviderType) -> str:
    """Return the name of a provider type's upscaler in Magnific's URLs."""
    return _CREATIVE if provider is ProviderType.FREEPIK_MAGNIFIC else _PRECISION


def upscale(work: RemoteWork, flavor: str) -> Upscale:
    """Convert a task.

    Args:
        work: the task.
        flavor: of the precision upscaler.

    Raises:
        InvalidInputError: the task's inputs are incomplete, or Magnific cannot do what they ask
            for.
    """
    given = read_inputs(_RefineInputs, work.inputs)
    endpoint = endpoint_of(work.provider_type)
    if not given.upscale_enabled:
        raise InvalidInputError("upscale_enabled: Magnific only upscales; set it to true")
    if given.face_detail_enabled:
        raise InvalidInputError("face_detail_enabled: Magnific has no face detail; set it to false")
    ignored = [name for name in _UNPLACED if work.inputs.get(name) is not None]
    if endpoint == _CREATIVE:
        factor = _factor(given.upscale_factor, CREATIVE_FACTORS)
        options = read_inputs(_CreativeOptions, work.provider_config)
        fields: dict[str, Any] = {"scale_factor": f"{factor}x"}
        fields |= options.model_dump(exclude={"default_prompt"})
        if prompt := given.upscale_prompt or options.default_prompt:
            fields["prompt"] = prompt
    else:
        factor = _factor(given.upscale_factor, PRECISION_FACTORS)
        options = read_inputs(_PrecisionOptions, work.provider_config)
        fields = {"scale_factor": factor, "flavor": flavor}
        fields |= options.model_dump(exclude={"default_prompt"})
        ignored += ["upscale_prompt"] if given.upscale_prompt else []
        ignored += ["provider_config.defaultPrompt"] if options.default_prompt else []
    return Upscale(endpoint, given.base_image_url, factor, fields, ignored)


def _factor(factor: float | None, possible: Sequence[int]) -> int:
    if factor is not None and factor in possible:
        return int(factor)
    able = ", ".join(map(str, possible))
    told = "upscale_factor: " + ("none was given" if factor is None else f"{factor:g}")
    raise InvalidInputError(f"{told}; Magnific's upscaler takes {able}")
