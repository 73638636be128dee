"""Messages and activities that copy a task's remote pictures to the object store."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TaskType
from shared.contracts.message import Message
from shared.contracts.untrusted import ErrorText


class FetchInputs(Message):
    """The picture URLs of a task or a training."""

    task_id: UUID
    task_type: TaskType | None
    """None: `task_id` is a training's."""
    urls: list[str] = Field(max_length=1000)
    names: dict[str, str] = {}
    """The request field of each URL, such as `input_image_paths.1`; errors begin with it."""
    is_partial: bool = False
    """Report URLs that cannot be fetched as faults, instead of failing by the first."""


class FetchedInputs(Message):
    """The object keys of the fetched pictures."""

    keys: dict[str, str]
    """Object key by URL."""
    files: list[StoredFile]
    faults: dict[str, ErrorText] = {}
    """Reasons why URLs could not be fetched, if the request is partial."""


class LinkObjects(Message):
    """The objects that a step maps into another step as URLs."""

    keys: list[str] = Field(max_length=1000)


class InputActivities(ABC):
    """Activities of the workflow worker. Idempotent: keys derive from the task and the content."""

    @activity.defn(name="fetch_inputs")
    @abstractmethod
    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        """Fetch every URL, check that it is a picture, and store it."""

    @activity.defn(name="link_objects")
    @abstractmethod
    async def link_objects(self, request: LinkObjects) -> dict[str, str]:
        """Return presigned URLs by object key; anyone with a URL can read its object."""


def merged_inputs(inputs: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs with some replaced; `fal_parameters.image_url` names a key within an input."""
    merged = dict(inputs)
    for name, value in resolved.items():
        field, _, key = name.partition(".")
        if key:
            within = merged.get(field)
            merged[field] = {**(within if isinstance(within, dict) else {}), key: value}
        else:
            merged[field] = value
    return merged
