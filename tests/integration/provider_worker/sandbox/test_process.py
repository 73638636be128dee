"""The sandbox as a process: accepted work survives it, and it fails on demand."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from local_stack.ports import is_free
from tests.fixtures.sandbox import KEY
from tests.fixtures.workflow_runs import until


@asynccontextmanager
async def _process(port: int, ledger: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Run a server; kill it, without a stop, at the end."""
    chosen = {"SARTIQ_SANDBOX_PORT": str(port), "SARTIQ_SANDBOX_LEDGER": str(ledger)}
    command = (sys.executable, "-m", "provider_worker.sandbox")
    server = await asyncio.create_subprocess_exec(*command, env=os.environ | chosen)
    headers = {"Authorization": f"Key {KEY}"}
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/_ledger")).is_success
            except httpx.TransportError:
                return False

        try:
            await until(answers)
            yield client
        finally:
            server.kill()
            await server.wait()


async def test_accepted_and_cancelled_work_survives_the_server(tmp_path: Path) -> None:
    ledger = tmp_path / "fal.jsonl"
    port = next(port for port in range(22_000, 25_000) if is_free("127.0.0.1", port))
    async with _process(port, ledger) as client:
        faults = [{"on": "submit", "marker": "b", "is_taken": True, "is_dropped": True}]
        assert (await client.post("/_faults", json=faults)).status_code == 204
        taken = (await client.post("/fal-ai/flux/dev", json={"prompt": "a"})).json()
        with pytest.raises(httpx.TransportError):
            await client.post("/fal-ai/flux/dev", json={"prompt": "b"})
        cancelled = await client.put(taken["cancel_url"])
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "OK")
    async with _process(port, ledger) as client:
        shown = (await client.get("/_ledger")).json()
        assert shown["posts"] == shown["submits"] == {"a": 1, "b": 1}
        assert [charge["marker"] for charge in shown["charges"]] == ["a", "b"]
        assert shown["cancels"] == [taken["request_id"]]
        assert [entry["is_cancelled"] for entry in shown["entries"]] == [True, False]
        status = (await client.get(taken["status_url"])).json()
        assert (status["status"], status["error"]) == ("COMPLETED", "Cancelled")
        assert (await client.get("/fal-ai/flux/requests/gone/status")).status_code == 404
        del client.headers["Authorization"]
        assert (await client.get(taken["status_url"])).status_code == 401
