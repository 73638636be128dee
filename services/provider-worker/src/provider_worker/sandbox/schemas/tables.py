"""Tables of published inputs, read from TOML, and the check of a request's input."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from provider_worker.sandbox.schemas.kinds import field_of

EXTRA = "extra_forbidden"
"""Type of the problem with a field that the published schema lacks."""


@dataclass(frozen=True)
class Problem:
    """A fault of one field.

    Attributes:
        loc: path to the field, from the input.
        msg: the fault, for people.
        type: the fault, for programs.
    """

    loc: tuple[str | int, ...]
    msg: str
    type: str

    @property
    def field(self) -> str:
        """The path as one word."""
        return ".".join(str(part) for part in self.loc)

    @property
    def is_stray(self) -> bool:
        """True if the published schema lacks the field."""
        return self.type == EXTRA


@dataclass(frozen=True)
class Schema:
    """The published input of one app.

    Attributes:
        model: checks an input.
        output: fields of the result.
    """

    model: type[BaseModel]
    output: tuple[str, ...]

    def problems(self, given: Mapping[str, Any]) -> list[Problem]:
        """Return the faults of an input."""
        try:
            self.model.model_validate(given)
        except ValidationError as error:
            return [
                Problem(tuple(each["loc"]), each["msg"], each["type"])
                for each in error.errors(include_url=False, include_input=False)
            ]
        return []


def read_table(name: str) -> dict[str, Schema]:
    """Return the schemas of a provider by app."""
    text = files("provider_worker.sandbox.schemas").joinpath(f"{name}.toml").read_text("utf-8")
    rows: dict[str, dict[str, str]] = tomllib.loads(text)
    return {
        app: Schema(_model(app, rows[row.get("same_as", app)]), tuple(row["output"].split()))
        for app, row in rows.items()
    }


def _model(app: str, row: Mapping[str, str]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        name: field_of(spec) for name, spec in row.items() if name != "output"
    }
    return create_model(app, __config__=ConfigDict(extra="forbid", strict=True), **fields)
