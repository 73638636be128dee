"""Three probes: the process runs; it can serve; and the reference's own `/health`."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api_gateway.cached_reads.probes import OK
from api_gateway.ignored.dependency import FIELD_CHECK
from api_gateway.resources import Res, Resources

router = APIRouter(tags=["Endpoints"], dependencies=[FIELD_CHECK])

_NEEDED = frozenset({"database", "uploads"})
"""Without these a process serves nobody. The others are down for all processes alike: records and
streams are read on meanwhile, and to take every process out of service would help no one."""
_DETAILS_TIMEOUT_S = 2.0


class Health(BaseModel):
    """How each part is, by name: `ok`, or what is wrong with it."""

    status: str
    checks: dict[str, str] = {}
    details: dict[str, int] = Field(
        default={},
        description="What decides nothing: runs that stand still, since their workflow task keeps"
        " failing, and the workers' slots for such tasks; empty where Temporal does not say",
    )


_DOWN: dict[int | str, dict[str, Any]] = {
    503: {"model": Health, "description": "Names what is wrong"}
}


@router.get("/health", summary="Health Check", operation_id="health_check", responses=_DOWN)
async def health(res: Res, response: Response) -> Health:
    """Whether everything that this API works with answers and takes writes; 503 where not."""
    return await _probe(res, response, None)


@router.get("/readyz", summary="Readiness", operation_id="readyz", responses=_DOWN)
async def readyz(res: Res, response: Response) -> Health:
    """Whether this process can serve: the records and the folder of uploads take writes.

    An outage of Temporal or of the object store is told, and is no reason to stop serving.
    """
    return await _probe(res, response, _NEEDED)


@router.get("/livez", summary="Liveness", operation_id="livez")
async def livez() -> Health:
    """Whether this process runs."""
    return Health(status="ok")


async def _probe(res: Resources, response: Response, needed: frozenset[str] | None) -> Health:
    """What each part is like; 503 where a needed one, or any where none is named, is not ok."""
    answers, details = await asyncio.gather(
        asyncio.gather(*(check() for check in res.checks.values())), _details(res)
    )
    checks = dict(zip(res.checks, answers, strict=True))
    faults = {name for name, answer in checks.items() if answer != OK}
    is_good = not (faults if needed is None else faults & needed)
    response.status_code = 200 if is_good else 503
    return Health(status="ok" if is_good else "unavailable", checks=checks, details=details)


async def _details(res: Resources) -> dict[str, int]:
    found = await res.standstill.latest(within_s=_DETAILS_TIMEOUT_S)
    if found is None:
        return {}
    return {
        "runs_standing_still": found.num_runs,
        "workflow_task_slots": found.num_slots,
        "workflow_task_slots_taken": found.num_used,
    }
