"""GENERATION: pictures from a prompt, with LoRAs, and from a reference picture."""

from typing import Any

from provider_worker.fal.convert.call import FalCall, NeededObjects, Sources, read_options
from provider_worker.fal.convert.pictures import (
    PictureConfig,
    general_fields,
    ignored_fields,
    size_fields,
)
from provider_worker.fal.urls import check_app_id
from provider_worker.inputs import read_inputs
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.fal_apps.app import PictureApp, Takes
from shared.contracts.fal_apps.table import chosen_app
from shared.contracts.generation import GenerationInputs
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError


class _Inputs(GenerationInputs):
    """Inputs of a GENERATION at fal."""

    config: PictureConfig = PictureConfig()  # pyright: ignore[reportIncompatibleVariableOverride] -- narrower


def generation_objects(work: RemoteWork) -> NeededObjects:
    """Return the stored objects that a GENERATION refers to."""
    inputs = read_inputs(_Inputs, work.inputs)
    unresolved = {name for name in LORA_FIELDS if work.inputs.get(name)} - set(inputs.lora_objects)
    if unresolved:
        raise InvalidInputError(f"{', '.join(sorted(unresolved))}: the LoRA is not in the store")
    reference = inputs.reference_image_url
    return NeededObjects(
        pictures=frozenset({reference} if reference else ()),
        files=frozenset(lora.object_key for lora in inputs.loras),
    )


def generation_call(work: RemoteWork, sources: Sources) -> FalCall:
    """Convert a GENERATION.

    Raises:
        InvalidInputError: its inputs are incomplete, or the app cannot do it.
    """
    inputs, options = read_inputs(_Inputs, work.inputs), read_options(work)
    app = chosen_app(work.task_type, work.provider_config, work.inputs)
    assert isinstance(app, PictureApp)
    reference, urls = inputs.reference_image_url, sources.urls
    ignored = ignored_fields(app, inputs.config)
    body: dict[str, Any] = {"prompt": inputs.prompt}
    body |= size_fields(app, inputs.width, inputs.height)
    body |= general_fields(app, inputs.seed, inputs.config)
    if inputs.loras or (Takes.LORAS in app.takes and app.is_known):
        if Takes.LORAS not in app.takes:
            raise _cannot(app, "LoRAs")
        body[Takes.LORAS.value] = [
            {"path": urls[lora.object_key], "scale": lora.weight} for lora in inputs.loras
        ]
    if reference:
        if app.picture is None:
            raise _cannot(app, "reference image")
        body[app.picture] = urls[reference]
        if Takes.STRENGTH in app.takes:
            body[Takes.STRENGTH.value] = round(1 - inputs.reference_image_strength / 100, 4)
        else:
            ignored.append("reference_image_strength")
    # Parameters that the client set for fal override the general ones.
    merged = {**body, **options.params}
    return FalCall(check_app_id(app.id), merged, app.output, tuple(ignored))


def _cannot(app: PictureApp, what: str) -> InvalidInputError:
    return InvalidInputError(f"{app.id} takes no {what}; name another fal_app_id, or none")
