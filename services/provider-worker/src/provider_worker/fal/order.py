"""Facts about a request to fal that its result needs; they travel in the submission's handle."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from provider_worker.fal.convert.call import FalCall
from shared.contracts.enums import TaskType
from shared.contracts.fal_apps.app import Media
from shared.contracts.message import Message
from shared.contracts.provenance import Provenance
from shared.contracts.submissions import SubmittedWork

_NAME = "order"
_OUTPUTS = {TaskType.EXPERIMENTAL_FAL: Media.ANYTHING}


class Order(Message):
    """A request to a fal app.

    Attributes:
        app_id: the app.
        output: the field of the response that holds the result.
        ignored: fields of the task for which the app has no place.
        target_size: width and height to which the result is resampled; none: it stays as it is.
        seed: of the request.
    """

    app_id: str
    output: Media = Media.IMAGES
    ignored: list[str] = Field(default_factory=list[str])
    target_size: tuple[int, int] | None = None
    seed: int | None = None

    @property
    def provenance(self) -> Provenance:
        """The provenance of its result, less the files."""
        return Provenance(engine="fal", model=self.app_id, ignored=self.ignored)


def handle_entry(call: FalCall) -> dict[str, Any]:
    """Return the entry of a submission's handle for a request."""
    seed = call.input.get("seed")
    order = Order(
        app_id=call.app_id,
        output=call.output,
        ignored=list(call.ignored),
        target_size=call.target_size,
        seed=seed if isinstance(seed, int) else None,
    )
    return {_NAME: order.model_dump(mode="json", exclude_defaults=True)}


def order_of(work: SubmittedWork) -> Order:
    """Return the request of submitted work; earlier versions stored the app alone."""
    handle: Mapping[str, Any] = work.submission.handle
    stored = handle.get(_NAME)
    if stored is not None:
        return Order.model_validate(stored)
    output = _OUTPUTS.get(work.task_type, Media.IMAGES)
    return Order(app_id=str(handle.get("app", "")), output=output)
