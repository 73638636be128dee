"""The shape of a task type's row. `table` holds the rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, create_model, model_validator

from shared.contracts.capabilities import Need
from shared.contracts.enums import ProviderType, TaskQueue
from shared.contracts.message import Message
from shared.contracts.request_model import RequestModel, inconsistent
from shared.contracts.task_types.rules import Rule


class InputFields(RequestModel):
    """The inputs of one task type as its create request has them, pictures in any form.

    The gateway's create schema derives from it. The workers' messages are models of their own:
    complete, and lenient towards older senders.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    rules: ClassVar[tuple[Rule, ...]] = ()
    """The relations of several fields."""

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        for rule in self.rules:
            fault = rule.fault(*(getattr(self, name) for name in rule.fields))
            if fault is not None:
                raise inconsistent(fault, *rule.fields)
        return self

    @classmethod
    def validate_one(cls, name: str, value: object) -> Any:
        """Return a value as one of the fields takes it.

        Raises:
            ValidationError: the value does not fit the field's type and bounds.
            KeyError: there is no such field.
        """
        return getattr(_alone(cls, name).model_validate({name: value}), name)


@cache
def _alone(model: type[BaseModel], name: str) -> type[BaseModel]:
    """One field of a model, under the same rules."""
    stated = model.model_fields[name]
    fields: dict[str, Any] = {name: (stated.annotation, stated)}
    return create_model(model.__name__, __base__=InputFields, **fields)


@dataclass(frozen=True)
class PictureField:
    """One input that holds a picture, or a list of them.

    Attributes:
        name: the input; it holds object keys, or URLs that have not been fetched yet.
        record_field: the name in records.
        aliases: request fields that mean the same.
    """

    name: str
    record_field: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnActivity:
    """The activity by which our own workers run an attempt.

    Attributes:
        method: the activity, as its contract declares it.
        request: its message.
        config_as: the message's field that reads the provider's configuration.
    """

    method: Callable[..., Any]
    request: type[Message]
    config_as: str | None = None


def _needs_nothing(_fields: Mapping[str, Any]) -> list[Need]:
    return []


@dataclass(frozen=True, kw_only=True)
class TaskTypeRow:
    """One task type.

    Attributes:
        inputs: the fields that a request sets and a mapping may target, with types and bounds.
        results: the fields of a result that the record shows and a mapping may name. Where the
            model allows extra ones, an outside service chooses their names.
        folder: the first part of the keys of its tasks' objects.
        start_to_close: how long one attempt may run, from a worker's pick-up to its result.
        default_provider: who does it where the request names nobody.
        pictures: the inputs that hold pictures.
        activity: how our own workers do it; none where only outside providers do.
        local_queue: the queue of the provider `local`; none where `local` does not serve it.
        is_tiled: whether finished tiles are kept beside the attempts, for a later one to find.
        seeds: inputs that are drawn when the task is created, where the request leaves them open.
        defaults: what other inputs are where the request leaves them open.
        needs: which capabilities a request needs of its provider; it takes the inputs and `config`.
    """

    inputs: type[InputFields]
    results: type[Message]
    folder: str
    start_to_close: timedelta
    default_provider: ProviderType
    pictures: tuple[PictureField, ...] = ()
    activity: OwnActivity | None = None
    local_queue: TaskQueue | None = None
    is_tiled: bool = False
    seeds: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    needs: Callable[[Mapping[str, Any]], list[Need]] = _needs_nothing

    @property
    def has_free_results(self) -> bool:
        """True where a result may have fields of any name."""
        return self.results.model_config.get("extra") == "allow"

    def task_folder(self, task_id: UUID) -> str:
        """Return what the keys of all objects of a task start with, without the last slash."""
        return f"{self.folder}/{task_id}"

    def attempt_folder(self, task_id: UUID, attempt: int) -> str:
        """Return where one attempt writes."""
        return f"{self.task_folder(task_id)}/a{attempt}"
