"""EXPERIMENTAL_FAL: any app, with the client's parameters."""

from typing import Any

from pydantic import Field

from provider_worker.fal.convert.call import FalCall, NeededObjects, Sources, read_options
from provider_worker.fal.urls import check_app_id
from provider_worker.inputs import read_inputs
from shared.contracts.fal_apps.app import Media
from shared.contracts.json_texts import renamed
from shared.contracts.message import Message
from shared.contracts.submissions import RemoteWork


class _Inputs(Message):
    """Inputs of an EXPERIMENTAL_FAL: an app and its parameters, both chosen by the client."""

    fal_app_id: str
    fal_parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    fal_objects: list[str] = Field(default_factory=list[str])
    """Strings in the parameters that are keys of objects the client may read."""


def app_objects(work: RemoteWork) -> NeededObjects:
    """Return the stored objects among the parameters of an app."""
    return NeededObjects(pictures=frozenset(read_inputs(_Inputs, work.inputs).fal_objects))


def app_call(work: RemoteWork, sources: Sources) -> FalCall:
    """Convert an EXPERIMENTAL_FAL.

    Raises:
        InvalidInputError: its inputs are incomplete, or name no valid app.
    """
    inputs = read_inputs(_Inputs, work.inputs)
    sent = renamed(inputs.fal_parameters, sources.urls)
    parameters = {**sent, **read_options(work).params}
    return FalCall(check_app_id(inputs.fal_app_id), parameters, Media.ANYTHING)
