"""Parts that the providers' wire formats share: submissions, look-ups and faults."""

import asyncio
import hashlib
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from provider_worker.sandbox.faults import Canned, Fault, Faults, On
from provider_worker.sandbox.ledger import Charge, Entry, Ledger
from provider_worker.sandbox.orders import Order
from provider_worker.sandbox.playing import played, work_response
from provider_worker.sandbox.schemas.tables import Problem
from provider_worker.sandbox.settings import SandboxSettings
from provider_worker.sandbox.studio import Medium, Studio

MARKER_HEADER = "x-sandbox-marker"
_FAILED_FROM = 300
_SECRET = ("authorization", "api-key", "goog-api", "cookie")


@dataclass
class Desk:
    """State that all providers of a sandbox share."""

    settings: SandboxSettings
    ledger: Ledger
    faults: Faults = field(default_factory=Faults)
    studio: Studio = field(default_factory=Studio)


@dataclass(frozen=True)
class Job:
    """A submission, as its provider reads it.

    Attributes:
        app: the app or model.
        marker: its name in the ledger and for faults.
        input: the app's input.
        charge: what is billed once it is accepted.
        problems: faults of the input; any of them refuses it.
    """

    app: str
    marker: str
    input: dict[str, Any]
    charge: Charge
    problems: Sequence[Problem] = ()


class Wire(ABC):
    """A provider that accepts work, and hands out its id."""

    name: ClassVar[str]

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    @abstractmethod
    def routes(self) -> list[Route]:
        """Return the provider's routes."""

    @abstractmethod
    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the API key of a request, or nothing."""

    @abstractmethod
    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""

    @abstractmethod
    def order(self, entry: Entry) -> Order:
        """Return the media that work asks for."""

    @abstractmethod
    async def accepted(self, request: Request, entry: Entry) -> Response:
        """Return the response to accepted work."""

    @abstractmethod
    def refused(self, problems: Sequence[Problem]) -> Response:
        """Return the response to input with faults."""

    def has_key(self, request: Request) -> bool:
        """Tell whether a request has an accepted key."""
        return self.key_of(request.headers) in self.desk.settings.keys

    def strike(self, on: On, marker: str) -> Fault | None:
        """Return the fault that applies, and count it."""
        fault = self.desk.faults.strike(on, marker, self.name)
        return fault.filled(self.canned().get(fault.like)) if fault and fault.like else fault

    async def submitted(self, request: Request, job: Job) -> Response:
        """Receive a submission: note it, play its fault, accept or refuse it."""
        job = replace(job, marker=request.headers.get(MARKER_HEADER, job.marker))
        self.desk.ledger.post(job.marker)
        fault = self.strike("submit", job.marker)
        if fault is None:
            return await self._decided(request, job)
        await asyncio.sleep(fault.delay_s)
        is_decided = fault.is_taken or not fault.is_played
        return played(request, fault, await self._decided(request, job) if is_decided else None)

    async def _decided(self, request: Request, job: Job) -> Response:
        for problem in job.problems:
            if problem.is_stray:
                where = {"wire": self.name, "app": job.app, "marker": job.marker}
                self.desk.ledger.stray(**where, field=problem.field)
        if job.problems:
            return self.refused(job.problems)
        return await self.taken(request, self._entry(request, job))

    async def taken(self, request: Request, entry: Entry) -> Response:
        """Note accepted work, which is charged from now on, and return the response."""
        self.desk.ledger.take(entry)
        return await self.accepted(request, entry)

    def _entry(self, request: Request, job: Job) -> Entry:
        settings = self.desk.settings
        return Entry(
            request_id=str(uuid.uuid4()),
            wire=self.name,
            app=job.app,
            marker=job.marker,
            key=fingerprint(self.key_of(request.headers)),
            input=job.input,
            headers=_told(request.headers),
            charge=replace(job.charge, price=settings.price_of(f"{self.name}/{job.app}")),
            work=self.strike("work", job.marker) or Fault(on="work", work_s=settings.work_s),
            taken_at=time.time(),
        )

    def entry(self, request_id: str) -> Entry | None:
        """Return accepted work of this provider."""
        entry = self.desk.ledger.entries.get(request_id)
        return entry if entry and entry.wire == self.name else None

    async def struck(self, on: On, request: Request, entry: Entry, response: Response) -> Response:
        """Return the response, or play the fault that applies."""
        fault = self.strike(on, entry.marker)
        if fault is None:
            return response
        await asyncio.sleep(fault.delay_s)
        return played(request, fault, response)

    async def media(self, entry: Entry) -> list[Medium]:
        """Return the media of accepted work.

        Raises:
            BadPictureError: a source cannot be read.
        """
        return await self.desk.studio.media(entry.request_id, lambda: self.order(entry))


def fingerprint(key: str) -> str:
    """Return the name of a key in the ledger."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def media_url(request: Request, entry: Entry, index: int, medium: Medium) -> str:
    """Return the URL of a file."""
    return f"{request.base_url}_media/{entry.request_id}/{index}.{medium.suffix}"


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are no secret."""
    return {
        name: value
        for name, value in headers.items()
        if not any(secret in name for secret in _SECRET)
    }


class AtOnceWire(Wire):
    """A provider that responds with the result, and charges for a success alone."""

    async def taken(self, request: Request, entry: Entry) -> Response:
        """Do the work, note it if it succeeds, and return the result."""
        await asyncio.sleep(entry.work.work_s)
        response = work_response(entry.work) or await self.accepted(request, entry)
        if response.status_code < _FAILED_FROM:
            self.desk.ledger.take(entry)
        return response
