"""The parts of a request to fal, and the reading of a task's inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provider_worker.inputs import read_inputs
from shared.contracts.fal_apps.app import Media
from shared.contracts.message import Message
from shared.contracts.submissions import RemoteWork

SEED_BOUND = 2**32
"""Seeds go to fal modulo this number."""


@dataclass(frozen=True)
class FalCall:
    """A fal app and its input.

    Attributes:
        app_id: the app.
        input: the body of the request.
        output: the field of the response that holds the result.
        ignored: fields of the task for which the app has no place.
        target_size: width and height to which the result is resampled; none: it stays as it is.
    """

    app_id: str
    input: dict[str, Any]
    output: Media
    ignored: tuple[str, ...] = ()
    target_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class NeededObjects:
    """Keys of the stored objects that a request refers to.

    Attributes:
        pictures: pictures that fal must be able to read.
        files: other files that fal must be able to read.
        sized: those of the pictures whose size the conversion needs.
    """

    pictures: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    sized: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sources:
    """The stored objects of a task as fal gets them, and the worker's settings for fal.

    Attributes:
        urls: a URL for each of the `NeededObjects`.
        sizes: width and height of each sized picture.
        garment_app: the app of `fal_garment_fixer`; empty if it is not set.
        shootify_names: names of REST fields in the app of `fal_shootify_refiner`, where they
            differ; an empty name leaves the field out.
    """

    urls: Mapping[str, str]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    garment_app: str = ""
    shootify_names: Mapping[str, str] = field(default_factory=dict[str, str])


class FalOptions(Message):
    """The fields of `provider_config` for fal."""

    fal_app_id: str | None = None
    additional_static_params: dict[str, Any] | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Parameters that are passed to fal unchanged."""
        return self.additional_static_params or {}


def read_options(work: RemoteWork) -> FalOptions:
    """Return the task's provider configuration for fal."""
    return read_inputs(FalOptions, work.provider_config)


def stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
