"""The baseline of `make bench-api`: a bare FastAPI route that does one indexed asyncpg select.

`python bare_route.py DATABASE_URL PORT` serves `GET /tasks/{id}` until it is killed.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException

QUERY = "SELECT id, status, progress, created_at, origin_instance FROM tasks WHERE id = $1"


def create_app(database_url: str) -> FastAPI:
    """Build an application of one route and one connection pool."""
    pools: list[asyncpg.Pool] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        pools.append(await asyncpg.create_pool(database_url, min_size=10, max_size=20))
        yield
        await pools.pop().close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/tasks/{task_id}")
    async def get_task(task_id: UUID) -> dict[str, Any]:
        row = await pools[0].fetchrow(QUERY, task_id)
        if row is None:
            raise HTTPException(404)
        return dict(row)

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[1]), port=int(sys.argv[2]), access_log=False, log_level="warning"
    )
