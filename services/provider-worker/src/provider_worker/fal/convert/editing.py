"""EDITING: a picture changed by a prompt, with reference pictures."""

from typing import Any

from pydantic import Field

from provider_worker.fal.convert.call import FalCall, NeededObjects, Sources, read_options
from provider_worker.fal.convert.pictures import (
    PictureConfig,
    general_fields,
    ignored_fields,
    size_fields,
)
from provider_worker.fal.urls import check_app_id
from provider_worker.inputs import read_inputs
from shared.contracts.fal_apps.app import PictureApp
from shared.contracts.fal_apps.table import chosen_app
from shared.contracts.message import Message
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError


class _Inputs(Message):
    """Inputs of an EDITING at fal."""

    prompt: str
    base_image: str
    reference_images: list[str] = Field(default_factory=list[str])
    width: int
    height: int
    seed: int
    config: PictureConfig = PictureConfig()


def editing_objects(work: RemoteWork) -> NeededObjects:
    """Return the pictures of an EDITING."""
    inputs = read_inputs(_Inputs, work.inputs)
    return NeededObjects(pictures=frozenset({inputs.base_image, *inputs.reference_images}))


def editing_call(work: RemoteWork, sources: Sources) -> FalCall:
    """Convert an EDITING.

    Raises:
        InvalidInputError: its inputs are incomplete, or the app takes fewer references.
    """
    inputs, options = read_inputs(_Inputs, work.inputs), read_options(work)
    app = chosen_app(work.task_type, work.provider_config, work.inputs)
    assert isinstance(app, PictureApp)
    body: dict[str, Any] = {"prompt": inputs.prompt}
    body |= _pictures(app, inputs, sources)
    body |= size_fields(app, inputs.width, inputs.height)
    body |= general_fields(app, inputs.seed, inputs.config)
    ignored = tuple(ignored_fields(app, inputs.config))
    return FalCall(check_app_id(app.id), {**body, **options.params}, app.output, ignored)


def _pictures(app: PictureApp, inputs: _Inputs, sources: Sources) -> dict[str, Any]:
    references = inputs.reference_images
    if len(references) > app.max_references:
        raise InvalidInputError(
            f"reference_images: {app.id} takes at most {app.max_references}, not {len(references)}"
        )
    urls = [sources.urls[key] for key in (inputs.base_image, *references)]
    if app.takes_list or references:
        return {"image_urls": urls}
    return {app.picture or "image_url": urls[0]}
