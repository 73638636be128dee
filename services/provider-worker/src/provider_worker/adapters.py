"""The adapter protocol. An adapter knows its provider's API, but does not use Temporal."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from provider_worker.calls import CallLog
from provider_worker.wire.limits import RateLimit
from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.provenance import Provenance
from shared.contracts.service_requests import BilledUnits
from shared.contracts.submissions import RemoteWork, SubmittedWork


@dataclass(frozen=True)
class Accepted:
    """A submission that the provider accepted.

    Attributes:
        request_id: the provider's id of the work.
        handle: further data to find the work again.
        response: the whole response of a provider that responds with the result; it is stored
            before the submission counts as done, and `wait` reads it.
    """

    request_id: str
    handle: dict[str, Any] = field(default_factory=dict[str, Any])
    response: bytes | None = None


@dataclass(frozen=True)
class ProviderResult:
    """The result of the work.

    Attributes:
        results: result fields by their REST names.
        files: the stored files.
        billed: units that the provider charged, as it reports them.
        provenance: the model that ran, and request fields without a place at the provider.
        warnings: parts of the request that had less effect than expected, one sentence each.
    """

    results: dict[str, Any]
    files: list[StoredFile] = field(default_factory=list[StoredFile])
    billed: list[BilledUnits] = field(default_factory=list[BilledUnits])
    provenance: Provenance | None = None
    warnings: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class WithdrawalResult:
    """The outcome of a cancellation at the provider.

    Attributes:
        is_withdrawn: true if the provider confirmed it.
        message: its response, for the record.
        billed: units that it charged all the same, as far as it reports them.
    """

    is_withdrawn: bool
    message: str
    billed: list[BilledUnits] = field(default_factory=list[BilledUnits])


Send: TypeAlias = Callable[[], Coroutine[Any, Any, Accepted]]
"""Sends a paid request once, with its own timeout."""


class Adapter(Protocol):
    """The adapter of one provider. Every method raises `PlatformError` with an error category."""

    @property
    def queue(self) -> TaskQueue:
        """Task queue of its work."""
        ...

    @property
    def serves(self) -> frozenset[tuple[ProviderType, TaskType]]:
        """Provider and task types that it supports."""
        ...

    @property
    def submits(self) -> RateLimit:
        """Limit on the rate of its submissions."""
        ...

    @property
    def submit_timeout_s(self) -> float:
        """Longest time of a paid request, in seconds; after it the outcome is unknown."""
        ...

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Build the request and read its objects; nothing is sent yet."""
        ...

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        """Wait for the work and store its result; can be cancelled and resumed."""
        ...

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Cancel the work at the provider, within five seconds."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
