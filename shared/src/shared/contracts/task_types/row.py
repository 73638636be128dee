"""The row of a task type: its inputs, results, activity, queue and checks. `table` has the rows."""

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
    """The inputs of one task type as in its create request, with pictures in any form.

    The gateway's create schema derives from it. Workers have message classes of their own, with
    complete inputs, that accept messages of older senders.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules that involve several fields."""

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for rule in self.rules:
            fault = rule.fault(*(getattr(self, name) for name in rule.fields))
            if fault is not None:
                raise inconsistent(fault, *rule.fields)
        return self

    @classmethod
    def validate_one(cls, name: str, value: object) -> Any:
        """Validate the value of one field, and return it converted to the field's type.

        Raises:
            ValidationError: the value does not fit the field's type and bounds.
            KeyError: there is no such field.
        """
        return getattr(_single_field_model(cls, name).model_validate({name: value}), name)


@cache
def _single_field_model(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Return a model with only one of the fields, with the same constraints."""
    stated = model.model_fields[name]
    fields: dict[str, Any] = {name: (stated.annotation, stated)}
    return create_model(model.__name__, __base__=InputFields, **fields)


@dataclass(frozen=True)
class PictureField:
    """An input that holds a picture or a list of pictures.

    Attributes:
        name: the input; it holds object keys, or URLs that have not been fetched yet.
        record_field: its name in the API's task records.
        aliases: request fields that set the same input.
    """

    name: str
    record_field: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnActivity:
    """The activity with which the platform's own workers run an attempt.

    Attributes:
        method: the activity, as its contract declares it.
        request: the class of its request message.
        config_as: the message's field that takes the provider's configuration.
    """

    method: Callable[..., Any]
    request: type[Message]
    config_as: str | None = None


def _needs_nothing(_fields: Mapping[str, Any]) -> list[Need]:
    return []


@dataclass(frozen=True, kw_only=True)
class TaskTypeRow:
    """The definition of one task type.

    Attributes:
        inputs: the fields that a request sets and a mapping may target, with types and bounds.
        results: the result fields that the record shows and a mapping may name. If the model allows
            extra fields, an outside service chooses their names.
        folder: the first part of the object keys of its tasks.
        start_to_close: start-to-close timeout of one attempt.
        default_provider: the provider if the request names none.
        pictures: the inputs that hold pictures.
        activity: the activity of the platform's own workers; none if only outside providers serve
            the type.
        local_queue: the queue of the provider `local`; none if `local` does not serve the type.
        is_tiled: true if finished tiles are stored outside the attempts' folders, for retries.
        seeds: inputs that are drawn at random when the task is created, if the request omits them.
        defaults: values of other inputs that the request omits.
        needs: returns the capabilities that a request needs, from its inputs and `config`.
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
        """True if a result may have fields of any name."""
        return self.results.model_config.get("extra") == "allow"

    def task_folder(self, task_id: UUID) -> str:
        """Return the common prefix of a task's object keys, without the trailing slash."""
        return f"{self.folder}/{task_id}"

    def attempt_folder(self, task_id: UUID, attempt: int) -> str:
        """Return the prefix of the object keys of one attempt, without the trailing slash."""
        return f"{self.task_folder(task_id)}/a{attempt}"
