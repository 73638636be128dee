"""REFINE: a picture enlarged."""

from collections.abc import Iterable
from typing import Any

from provider_worker.fal.convert.call import (
    SEED_BOUND,
    FalCall,
    NeededObjects,
    Sources,
    read_options,
    stated,
)
from provider_worker.fal.convert.geometry import least_factor
from provider_worker.fal.urls import check_app_id
from provider_worker.inputs import read_inputs
from shared.contracts.fal_apps.app import UpscalerApp
from shared.contracts.fal_apps.table import chosen_app
from shared.contracts.message import Message
from shared.contracts.options import as_sent
from shared.contracts.refinement import RefineInputs
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError

_Size = tuple[int, int]
_FACTOR = "upscale_factor"


class _Config(Message, extra="allow"):
    """Keys of `config`."""


class _Inputs(RefineInputs):
    """Inputs of a REFINE at fal."""

    config: _Config = _Config()  # pyright: ignore[reportIncompatibleVariableOverride] -- free keys


def refine_objects(work: RemoteWork) -> NeededObjects:
    """Return the picture of a REFINE."""
    pictures = frozenset({read_inputs(_Inputs, work.inputs).base_image_url})
    return NeededObjects(pictures=pictures, sized=pictures)


def refine_call(work: RemoteWork, sources: Sources) -> FalCall:
    """Convert a REFINE.

    Raises:
        InvalidInputError: its inputs are incomplete, or the app does not enlarge that much.
    """
    inputs, options = read_inputs(_Inputs, work.inputs), read_options(work)
    app = chosen_app(work.task_type, work.provider_config, work.inputs)
    assert isinstance(app, UpscalerApp)
    factor, target = _factor(app, inputs, sources)
    placed: dict[str | None, Any] = {
        app.prompt: inputs.upscale_prompt or None,
        app.denoise: inputs.upscale_denoise,
        app.steps: inputs.upscale_steps,
        app.seed: inputs.upscale_seed % SEED_BOUND,
    }
    own = inputs.config.model_extra or {}
    body: dict[str, Any] = {
        "image_url": sources.urls[inputs.base_image_url],
        app.factor: int(factor) if factor == int(factor) else factor,
        **{name: value for name, value in placed.items() if name is not None},
        **app.fixed,
        **{name: as_sent(option, own.get(name)) for name, option in app.config.items()},
    }
    merged = {**stated(body), **options.params}
    return FalCall(check_app_id(app.id), merged, app.output, _ignored(app, inputs), target)


def _factor(app: UpscalerApp, inputs: _Inputs, sources: Sources) -> tuple[float, _Size]:
    """Return the factor to ask for, and the size to which the result is resampled."""
    size = sources.sizes[inputs.base_image_url]
    fields, target = _target(inputs, size)
    least = inputs.upscale_factor if fields == _FACTOR else None
    if least is None:
        least = least_factor(size, target)
    factor = app.fitting_factor(least)
    if factor is None or (fields == _FACTOR and factor != least):
        able = app.factors.fault(None)
        most = (int(side * app.largest_factor) for side in size)
        raise InvalidInputError(
            f"{fields}: {_text(target)} is {least:g} times the picture's {_text(size)}; for "
            f"{app.id} the factor {able}, so give at most {_text(most)}"
        )
    return factor, target


def _target(inputs: _Inputs, size: _Size) -> tuple[str, _Size]:
    """Return the names of the fields that determine the size of the result, and the size."""
    width, height = size
    if not inputs.upscale_enabled:
        return "base_image_url", size
    across, down = inputs.target_width, inputs.target_height
    if across or down:
        across = across or round(width * (down or height) / height)
        return "target_width, target_height", (across, down or round(height * across / width))
    if factor := inputs.upscale_factor:
        return _FACTOR, (round(width * factor), round(height * factor))
    raise InvalidInputError(
        "upscale_factor: give it, or target_width and target_height, or set upscale_enabled to "
        "false"
    )


def _text(size: Iterable[int]) -> str:
    return " × ".join(map(str, size))


def _ignored(app: UpscalerApp, inputs: _Inputs) -> tuple[str, ...]:
    places = {
        "upscale_prompt": app.prompt if inputs.upscale_prompt else "none given",
        "upscale_denoise": app.denoise,
        "upscale_steps": app.steps,
        "upscale_seed": app.seed,
    }
    return tuple(name for name, place in places.items() if place is None)
