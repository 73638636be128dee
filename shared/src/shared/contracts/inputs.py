"""Bringing a task's remote pictures into our storage, before its first attempt."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TaskType
from shared.contracts.message import Message


class FetchInputs(Message):
    """The URLs among a task's pictures."""

    task_id: UUID
    task_type: TaskType
    urls: list[str] = Field(max_length=1000)
    names: dict[str, str] = {}
    """Where each URL stands in the request, `input_image_paths.1`; errors begin with it."""


class FetchedInputs(Message):
    """Where they lie now."""

    keys: dict[str, str]
    """Object key by URL."""
    files: list[StoredFile]


class LinkObjects(Message):
    """The objects that a step hands on as URLs."""

    keys: list[str] = Field(max_length=1000)


class InputActivities(ABC):
    """Activities of the workflow worker. Idempotent: keys derive from the task and the bytes."""

    @activity.defn(name="fetch_inputs")
    @abstractmethod
    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        """Fetch every URL, check that it is a picture, and store it."""

    @activity.defn(name="link_objects")
    @abstractmethod
    async def link_objects(self, request: LinkObjects) -> dict[str, str]:
        """Presigned URLs by object key; whoever has one can read the object until it expires."""


def merged_inputs(inputs: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with some replaced; `fal_parameters.image_url` names a key within an input."""
    merged = dict(inputs)
    for name, value in resolved.items():
        field, _, key = name.partition(".")
        if key:
            within = merged.get(field)
            merged[field] = {**(within if isinstance(within, dict) else {}), key: value}
        else:
            merged[field] = value
    return merged
