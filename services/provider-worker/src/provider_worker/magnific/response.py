"""One HTTP response of Magnific, and the error that it reports. Pure."""

from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from provider_worker.magnific.wire import Refusal
from provider_worker.wire.response import LONGEST_MESSAGE, WireResponse

_T = TypeVar("_T", bound=BaseModel)


@dataclass(frozen=True)
class MagnificResponse(WireResponse):
    """A response, whose message may be inside an object `data`, or bare."""

    @property
    def message(self) -> str:
        """Error message; empty if there is none."""
        refusal = self.read(Refusal)
        if refusal is None:
            return super().message
        reasons = [f"{each.name}: {each.reason}" for each in refusal.invalid_params]
        return " ".join(filter(None, (refusal.message, "; ".join(reasons))))[:LONGEST_MESSAGE]

    def unwrapped(self, model: type[_T]) -> _T | None:
        """Return the body, or the `data` in it, as a message; none if neither fits."""
        try:
            body = self.json()
            is_wrapped = isinstance(body, dict) and "data" in body
            return model.model_validate(body["data"] if is_wrapped else body)
        except ValueError:
            return None
