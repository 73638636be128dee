"""Reading of a task's inputs and provider configuration."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.contracts.error_text import describe_faults
from shared.errors import InvalidInputError

_M = TypeVar("_M", bound=BaseModel)


def read_inputs(model: type[_M], data: Mapping[str, Any]) -> _M:
    """Return data as a message.

    Raises:
        InvalidInputError: it does not fit.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidInputError(f"the inputs are incomplete: {describe_faults(error)}") from None
