"""A request as the limits of a remote service see it, and a fault in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.enums import TaskType
from shared.contracts.options import Option

PROVIDER_CONFIG = "provider_config"
MAPPED = "mapped"
"""Stands for a value that an earlier step of a workflow will give."""


@dataclass(frozen=True)
class RemoteFault:
    """A fault and its place: `("config", "num_images")`, `("provider_config", "fal_app_id")`."""

    place: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class RemoteRequest:
    """A request to a remote provider.

    Attributes:
        task_type: the task's type.
        options: the provider's configuration.
        fields: the type's own fields, `config` included. A value that an earlier step of a
            workflow will give is `MAPPED`.
    """

    task_type: TaskType
    options: Mapping[str, Any]
    fields: Mapping[str, Any]

    @property
    def config(self) -> Mapping[str, Any]:
        """The task's `config`."""
        found = self.fields.get("config")
        return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType] -- JSON

    def number(self, name: str) -> float | None:
        """Return a numeric field; none if it is absent or will be mapped."""
        value = self.fields.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number else None

    def check_config(self, known: Iterable[tuple[str, Option]], of: str) -> Iterator[RemoteFault]:
        """Yield the faults of the given keys of `config`.

        Args:
            known: keys, and the values that each may have.
            of: the app or model that sets the limits.
        """
        for name, option in known:
            value = self.config.get(name)
            if value is not None and (fault := option.fault(value)):
                yield RemoteFault(("config", name), f"{fault} for {of}")
