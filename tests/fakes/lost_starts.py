"""A Temporal client whose workflow starts fail in a chosen way; everything else works."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowHandle,
)
from temporalio.service import RPCError, RPCStatusCode


class Fate(Enum):
    """Fate of a start."""

    UNANSWERED = auto()
    """Temporal accepts it, and the acknowledgement is lost."""
    LOST = auto()
    """The request is lost."""
    REFUSED = auto()
    HELD = auto()
    """It is sent once it is released."""


@dataclass
class Starts(Interceptor):
    """An interceptor that gives every start the current fate."""

    fate: Fate
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a start was requested."""
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 — the SDK's name
        return _Outbound(next, self)


class _Outbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, starts: Starts) -> None:  # noqa: A002
        super().__init__(next)
        self._starts = starts

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        fate = self._starts.fate
        self._starts.arrived.set()
        if fate is Fate.REFUSED:
            raise RPCError("Blob data size exceeds limit.", RPCStatusCode.INVALID_ARGUMENT, b"")
        if fate is Fate.HELD:
            await self._starts.let_go.wait()
        if fate is not Fate.LOST:
            handle = await super().start_workflow(input)
        if fate in {Fate.LOST, Fate.UNANSWERED}:
            raise RPCError("Timeout expired", RPCStatusCode.DEADLINE_EXCEEDED, b"")
        return handle


def with_starts(client: Client, starts: Starts) -> Client:
    """Return a client on the same connection whose starts have that fate."""
    return Client(**client.config() | {"interceptors": [starts]})
