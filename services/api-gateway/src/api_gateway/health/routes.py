"""Three probes: liveness, readiness, and the reference's `/health`."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api_gateway.cached_reads.probes import OK
from api_gateway.ignored.dependency import FIELD_CHECK
from api_gateway.resources import Res, Resources

router = APIRouter(tags=["Endpoints"], dependencies=[FIELD_CHECK])

_NEEDED = frozenset({"database", "uploads"})
"""Dependencies without which a process is not ready. An outage of the others affects all processes
alike: reads still work, and taking every process out of service would not help."""
_DETAILS_TIMEOUT_S = 2.0


class Health(BaseModel):
    """The state of each dependency by name: `ok`, or its fault."""

    status: str
    checks: dict[str, str] = {}
    details: dict[str, int] = Field(
        default={},
        description="For information only: stuck runs, whose workflow task keeps failing, and the"
        " workers' slots for workflow tasks; empty if Temporal does not respond",
    )


_DOWN: dict[int | str, dict[str, Any]] = {
    503: {"model": Health, "description": "The faults by dependency"}
}


@router.get("/health", summary="Health Check", operation_id="health_check", responses=_DOWN)
async def health(res: Res, response: Response) -> Health:
    """Check that every dependency of this API responds and accepts writes; 503 if not."""
    return await _probe(res, response, None)


@router.get("/readyz", summary="Readiness", operation_id="readyz", responses=_DOWN)
async def readyz(res: Res, response: Response) -> Health:
    """Check that this process can serve: the database and the upload folder accept writes.

    An outage of Temporal or of the object store is reported, but does not make it unready.
    """
    return await _probe(res, response, _NEEDED)


@router.get("/livez", summary="Liveness", operation_id="livez")
async def livez() -> Health:
    """Check that this process runs."""
    return Health(status="ok")


async def _probe(res: Resources, response: Response, needed: frozenset[str] | None) -> Health:
    """Check every dependency; respond 503 if a needed one, or any if none is named, is not ok."""
    states, details = await asyncio.gather(
        asyncio.gather(*(check() for check in res.checks.values())), _details(res)
    )
    checks = dict(zip(res.checks, states, strict=True))
    faults = {name for name, state in checks.items() if state != OK}
    is_good = not (faults if needed is None else faults & needed)
    response.status_code = 200 if is_good else 503
    return Health(status="ok" if is_good else "unavailable", checks=checks, details=details)


async def _details(res: Resources) -> dict[str, int]:
    found = await res.stuck_runs.latest(within_s=_DETAILS_TIMEOUT_S)
    if found is None:
        return {}
    return {
        "runs_standing_still": found.num_runs,
        "workflow_task_slots": found.num_slots,
        "workflow_task_slots_taken": found.num_used,
    }
