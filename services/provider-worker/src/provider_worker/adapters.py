"""What every provider's adapter does. It knows its provider's wire format, nothing of Temporal."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from provider_worker.calls import CallLog
from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.submissions import RemoteWork, SubmittedWork


@dataclass(frozen=True)
class Accepted:
    """The provider has taken the work."""

    request_id: str
    handle: dict[str, Any]


@dataclass(frozen=True)
class ProviderResult:
    """What the provider made: result fields, and the files that were stored."""

    results: dict[str, Any]
    files: list[StoredFile] = field(default_factory=list[StoredFile])


@dataclass(frozen=True)
class WithdrawalResult:
    """What the provider said to a cancellation."""

    is_withdrawn: bool
    message: str


Send: TypeAlias = Callable[[], Coroutine[Any, Any, Accepted]]
"""Sends a paid request, once, within a time of its own."""


class Adapter(Protocol):
    """One provider. Every method raises `PlatformError` with the category of what went wrong."""

    @property
    def queue(self) -> TaskQueue:
        """Where its work waits."""
        ...

    @property
    def serves(self) -> frozenset[tuple[ProviderType, TaskType]]:
        """The work it can do."""
        ...

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Make the request ready, and read what it needs; nothing is sent yet."""
        ...

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        """Wait for the work and store what it made; may be broken off and begun again."""
        ...

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Ask the provider to drop the work, within five seconds."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...
