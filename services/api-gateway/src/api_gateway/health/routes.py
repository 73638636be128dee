"""Three probes: the process runs; it can serve; and the reference's own `/health`."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy import text

from api_gateway.dependencies import Res
from api_gateway.resources import Resources

router = APIRouter(tags=["Endpoints"])

_CHECK_TIMEOUT_S = 3.0


class Health(BaseModel):
    """What answers, by name."""

    status: str
    checks: dict[str, str] = {}
    details: dict[str, int] = Field(
        default={},
        description="What decides nothing: runs that stand still, since their workflow task keeps"
        " failing, and the workers' slots for such tasks; empty where Temporal does not say",
    )


_DOWN: dict[int | str, dict[str, Any]] = {
    503: {"model": Health, "description": "Names what does not answer"}
}


@router.get("/health", summary="Health Check", operation_id="health_check", responses=_DOWN)
async def health(res: Res, response: Response) -> Health:
    """Whether every dependency answers; 503 where one does not."""
    return await _probe(res, response)


@router.get("/readyz", summary="Readiness", operation_id="readyz", responses=_DOWN)
async def readyz(res: Res, response: Response) -> Health:
    """Whether this process can serve; 503 where it cannot."""
    return await _probe(res, response)


@router.get("/livez", summary="Liveness", operation_id="livez")
async def livez() -> Health:
    """Whether this process runs."""
    return Health(status="ok")


async def _probe(res: Resources, response: Response) -> Health:
    names = ("database", "storage", "temporal")
    *answers, details = await asyncio.gather(
        _check(_database(res)), _check(_storage(res)), _check(_temporal(res)), _details(res)
    )
    checks: dict[str, str] = dict(zip(names, answers, strict=True))
    is_ready = all(answer == "ok" for answer in answers)
    response.status_code = 200 if is_ready else 503
    return Health(status="ok" if is_ready else "unavailable", checks=checks, details=details)


async def _details(res: Resources) -> dict[str, int]:
    found = await res.standstill.latest(within_s=_CHECK_TIMEOUT_S)
    if found is None:
        return {}
    return {
        "runs_standing_still": found.num_runs,
        "workflow_task_slots": found.num_slots,
        "workflow_task_slots_taken": found.num_used,
    }


async def _check(work: Awaitable[object]) -> str:
    try:
        await asyncio.wait_for(work, _CHECK_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 — whatever it is, the dependency does not answer
        return type(error).__name__
    return "ok"


async def _database(res: Resources) -> None:
    async with res.sessions() as session:
        await session.execute(text("SELECT 1"))


async def _storage(res: Resources) -> None:
    await res.objects.head("readiness")


async def _temporal(res: Resources) -> None:
    await res.temporal.service_client.check_health(
        timeout=timedelta(seconds=_CHECK_TIMEOUT_S), retry=False
    )
