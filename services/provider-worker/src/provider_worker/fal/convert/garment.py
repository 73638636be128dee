"""The two apps of our own providers on fal: the garment fixer and the Shootify refiner.

Their fields are not published. They get the names of the REST API, unless a setting says otherwise.
"""

from provider_worker.fal.convert.call import (
    SEED_BOUND,
    FalCall,
    NeededObjects,
    Sources,
    stated,
)
from provider_worker.fal.urls import check_app_id
from provider_worker.inputs import read_inputs
from shared.contracts.fal_apps.app import Media
from shared.contracts.fal_apps.table import named_app
from shared.contracts.message import Message
from shared.contracts.refinement import RefineInputs
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError, UnservedError

_SEEDS = ("upscale_seed", "face_detail_seed")
_BASE = "base_image_url"


class _Garment(Message):
    """Inputs of a DETAIL_ENHANCER at fal."""

    base_image: str
    reference_image: str
    detail_label: str | None = None


class _Refinement(RefineInputs):
    """Inputs of a REFINE at the Shootify refiner."""

    config: Message = Message()  # pyright: ignore[reportIncompatibleVariableOverride] -- not read


def garment_objects(work: RemoteWork) -> NeededObjects:
    """Return the pictures of a DETAIL_ENHANCER."""
    inputs = read_inputs(_Garment, work.inputs)
    return NeededObjects(pictures=frozenset({inputs.base_image, inputs.reference_image}))


def garment_call(work: RemoteWork, sources: Sources) -> FalCall:
    """Convert a DETAIL_ENHANCER.

    Raises:
        InvalidInputError: its inputs are incomplete.
        UnservedError: the worker has no app for it.
    """
    if not sources.garment_app:
        raise UnservedError("fal_garment_fixer has no app; set SARTIQ_FAL_GARMENT_FIXER_APP")
    inputs = read_inputs(_Garment, work.inputs)
    body = {
        "image_url": sources.urls[inputs.base_image],
        "reference_image_url": sources.urls[inputs.reference_image],
        "detail_label": inputs.detail_label or None,
    }
    return FalCall(check_app_id(sources.garment_app), stated(body), Media.IMAGE)


def shootify_objects(work: RemoteWork) -> NeededObjects:
    """Return the picture of a REFINE."""
    return NeededObjects(pictures=frozenset({read_inputs(_Refinement, work.inputs).base_image_url}))


def shootify_call(work: RemoteWork, sources: Sources) -> FalCall:
    """Convert a REFINE of the Shootify refiner.

    Raises:
        InvalidInputError: its inputs are incomplete, or name no app.
    """
    inputs = read_inputs(_Refinement, work.inputs)
    app_id = named_app(work.provider_config, work.inputs)
    if app_id is None:
        raise InvalidInputError("fal_app_id is missing: fal_shootify_refiner has no default app")
    fields = stated(inputs.model_dump(exclude={"config"}))
    fields |= {name: fields[name] % SEED_BOUND for name in _SEEDS}
    fields[_BASE] = sources.urls[inputs.base_image_url]
    names = {_BASE: "image_url", **sources.shootify_names}
    body = {names.get(name, name): value for name, value in fields.items()}
    body.pop("", None)
    return FalCall(check_app_id(app_id), body, Media.IMAGE)
