"""JSON's booleans, numbers and strings are not converted into each other in requests."""

from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from shared.contracts.request_model import RequestModel


class Body(RequestModel):
    count: Annotated[int, Field(ge=0)] | None = None
    share: float = 0
    is_on: bool = False
    at: datetime | None = None
    anything: Any = None
    either: bool | int = 0
    flags: list[bool] = Field(default=[])


class Larger(Body):
    side: int = 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", True),
        ("share", False),
        ("side", True),
        ("is_on", 1),
        ("is_on", 0.0),
        ("at", 1_700_000_000),
        ("at", 0.5),
    ],
)
def test_value_of_another_type_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        Larger.model_validate({field: value})
    assert [fault["loc"] for fault in refused.value.errors()] == [(field,)]


def test_error_in_a_nested_model_has_its_location() -> None:
    class Outer(RequestModel):
        parts: list[Body]

    with pytest.raises(ValidationError) as refused:
        Outer.model_validate({"parts": [{}, {"count": True, "is_on": 1}]})
    locations = [fault["loc"] for fault in refused.value.errors()]
    assert locations == [("parts", 1, "count"), ("parts", 1, "is_on")]


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("count", 3, 3),
        ("count", 3.0, 3),
        ("count", "3", 3),
        ("count", None, None),
        ("share", 1, 1.0),
        ("is_on", True, True),
        ("is_on", "true", True),
        ("anything", True, True),
        ("anything", 1, 1),
        ("either", True, True),
        ("either", 1, 1),
        ("flags", [True], [True]),
    ],
)
def test_value_of_the_right_type_is_accepted(field: str, value: object, read: object) -> None:
    found = getattr(Larger.model_validate({field: value}), field)
    assert (found, type(found)) == (read, type(read))
