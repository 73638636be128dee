"""Circuit breakers before an evaluation: the vendors that may be asked."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.breaker import EVALUATION_PROBE_FOR, Breaker
from shared.contracts.enums import AiProvider, BreakerState
from shared.contracts.evaluation import EvaluationProvider
from shared.contracts.runs import Admission
from shared.db.repositories.breakers import admit, release_probe
from shared.db.session import Sessions
from shared.uninterrupted import uninterrupted

_BEST_FIRST = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Admitted:
    """The decision of the circuit breakers.

    Attributes:
        skip: vendors that may not be asked.
        refusal: why no vendor may be asked; none if one may.
    """

    skip: list[AiProvider]
    refusal: str | None


@asynccontextmanager
async def admitted(sessions: Sessions, provider: EvaluationProvider) -> AsyncGenerator[Admitted]:
    """Ask the breakers of the named vendor, or of all vendors, for one evaluation.

    The evaluation is the probe of those that are half-open. A probe that it did not make is given
    up at the end of the body; after a crash it expires.
    """
    vendors = sorted(AiProvider) if provider.vendor is None else [provider.vendor]
    async with sessions.begin() as session:  # the order of the locks is that of `count_verdicts`
        admissions = {
            vendor: await admit(session, vendor, probe_for=EVALUATION_PROBE_FOR)
            for vendor in vendors
        }
    try:
        yield decide(provider, admissions)
    finally:
        await uninterrupted(_give_up_probes(sessions, admissions))


def decide(provider: EvaluationProvider, admissions: Mapping[AiProvider, Admission]) -> Admitted:
    """Return the vendors that may not be asked, and the refusal if none may. Pure."""
    skip = [vendor for vendor, each in admissions.items() if not each.is_admitted]
    if len(skip) < len(admissions):
        return Admitted(skip, None)
    if provider.vendor is None:
        why = "the circuit breakers of all providers are open after repeated failures"
        return Admitted(skip, f"{why}; try again in a minute")
    if admissions[provider.vendor].state is BreakerState.HALF_OPEN:
        why = f"another request probes {provider} after repeated failures"
    else:
        why = f"the circuit breaker of {provider} is open after repeated failures"
    return Admitted(skip, f"{why}; try again in a minute, or name another provider")


def joint_state(breakers: Iterable[Breaker], now: datetime) -> BreakerState:
    """Return the best state of several breakers: an evaluation needs one vendor. Pure."""
    states = {breaker.state(now) for breaker in breakers} or {BreakerState.CLOSED}
    return min(states, key=_BEST_FIRST.index)


async def _give_up_probes(sessions: Sessions, admissions: Mapping[AiProvider, Admission]) -> None:
    probes = {
        vendor: each.probing_since
        for vendor, each in admissions.items()
        if each.probing_since is not None
    }
    if not probes:
        return
    try:
        async with sessions.begin() as session:
            for vendor, probing_since in probes.items():
                await release_probe(session, vendor, probing_since)
    except SQLAlchemyError as error:
        _log.warning("probe_not_given_up", vendors=list(probes), exc_info=error)
