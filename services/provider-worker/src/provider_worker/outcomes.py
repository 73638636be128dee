"""Outcomes of requests to a provider: accepted, ended, withdrawn."""

from dataclasses import dataclass, field
from typing import Any

from shared.contracts.attempts import StoredFile
from shared.contracts.provenance import Provenance
from shared.contracts.service_requests import BilledUnits


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
