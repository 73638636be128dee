"""Exceptions of activities, as Temporal and finally a client see them."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from shared.errors import InvalidInputError
from shared.temporal.errors import ErrorInterceptor


class _Sized(BaseModel):
    size: int


def _refusal() -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        _Sized.model_validate({"size": "a secret"})
    return refused.value


class _Raising(ActivityInboundInterceptor):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        raise self._error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InvalidInputError(f"cannot identify {object()!r}"), "cannot identify"),
        (TypeError(f"takes no {object()!r}"), "TypeError: takes no"),
        (
            _refusal(),
            "size: Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
async def test_failure_has_no_addresses_links_or_values(error: Exception, told: str) -> None:
    call: Any = None
    with pytest.raises(ApplicationError) as failed:
        await ErrorInterceptor().intercept_activity(_Raising(error)).execute_activity(call)
    assert failed.value.message == told
