"""The adapter protocol. An adapter knows its provider's API, but does not use Temporal."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from provider_worker.calls import CallLog
from provider_worker.outcomes import Accepted, ProviderResult, WithdrawalResult
from provider_worker.wire.limits import RateLimit
from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.submissions import RemoteWork, SubmittedWork

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
