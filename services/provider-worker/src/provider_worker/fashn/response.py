"""One HTTP response of FASHN, and the error that it reports. Pure."""

from dataclasses import dataclass

from provider_worker.wire.response import LONGEST_MESSAGE, WireResponse


@dataclass(frozen=True)
class FashnResponse(WireResponse):
    """A response, with FASHN's error names and messages."""

    @property
    def error_name(self) -> str:
        """Name of the error, such as `OutOfCredits`; empty if there is none."""
        return self.field("error", "name") or self.field("error")

    @property
    def message(self) -> str:
        """Name and message of the error; empty if there is none."""
        told = self.field("message") or self.field("error", "message") or self.field("detail")
        return ": ".join(filter(None, (self.error_name, told)))[:LONGEST_MESSAGE]
