"""Progress reports of a worker, sent to a real listener on loopback."""

import asyncio
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psutil
from pydantic import SecretStr
from structlog.testing import capture_logs

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TrainingStatus
from shared.contracts.progress import TrainingProgress
from shared.progress import ProgressReporter
from shared.settings import ProgressSettings

TASK = uuid.UUID(int=7)


class Listener:
    """A listener that returns 204 and records the requests."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.memory: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.trainings: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.refusals = 0
        self.refusal = "503 Service Unavailable"
        self.authorizations: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            headers = dict(
                line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if line
            )
            self.authorizations.append(headers["authorization"])
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            if self.refusals and body["trainings"]:
                self.refusals -= 1
                answer = f"HTTP/1.1 {self.refusal}\r\nContent-Length: 0\r\n\r\n"
                writer.write(answer.encode())
                continue
            self.memory.put_nowait(body["memory"])
            for report in body["trainings"]:
                self.trainings.put_nowait(report)
            for report in body["reports"]:
                self.reports.put_nowait(report)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


@asynccontextmanager
async def reporting(url: str) -> AsyncIterator[ProgressReporter]:
    reporter = ProgressReporter(
        ProgressSettings(url=url, token=SecretStr("secret")),
        executor_instance="worker-1",
        executor_type="inference-worker",
        vram_bytes=lambda: 4096,
    )
    running = asyncio.create_task(reporter.run())
    yield reporter
    running.cancel()
    [end] = await asyncio.gather(running, return_exceptions=True)
    assert end is None or isinstance(end, asyncio.CancelledError), end


def on_loopback() -> socket.socket:
    """Bind a port. Until something listens on it, connections to it are refused."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


@asynccontextmanager
async def listening(bound: socket.socket | None = None) -> AsyncIterator[tuple[Listener, str]]:
    """Listen on a socket that is bound to a port of loopback, or on one of its own."""
    listener = Listener()
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            with suppress(asyncio.IncompleteReadError):  # the reporter has closed the connection
                await listener.serve(reader, writer)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    server = await asyncio.start_server(serve, sock=bound or on_loopback())
    host, port = server.sockets[0].getsockname()
    yield listener, f"http://{host}:{port}"
    server.close()
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def test_started_is_announced_with_the_workers_credential() -> None:
    async with (
        listening() as (listener, url),
        reporting(url) as reporter,
        reporter.attempt(TASK, 2),
    ):
        report = await asyncio.wait_for(listener.reports.get(), 5)
    assert (report["task_id"], report["attempt"], report["kind"]) == (str(TASK), 2, "started")
    assert report["executor_instance"] == "worker-1"
    assert listener.authorizations == ["bearer secret"]


async def test_progress_is_sent_at_most_once_a_second() -> None:
    async with (
        listening() as (listener, url),
        reporting(url) as reporter,
        reporter.attempt(TASK, 1) as report,
    ):
        await asyncio.wait_for(listener.reports.get(), 5)
        report(0.1)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 5
        while listener.reports.empty() and loop.time() < deadline:
            await loop.run_in_executor(None, report, 0.5)
            await asyncio.sleep(0.05)
        told = listener.reports.get_nowait()
    assert (told["kind"], told["progress"]) == ("progress", 50)


async def test_very_short_attempt_is_not_announced() -> None:
    async with listening() as (listener, url), reporting(url) as reporter:
        async with reporter.attempt(TASK, 1):
            pass
        async with reporter.attempt(TASK, 9):
            report = await asyncio.wait_for(listener.reports.get(), 5)
    assert report["attempt"] == 9


async def test_memory_is_reported_at_start_and_with_every_report() -> None:
    async with listening() as (listener, url), reporting(url) as reporter:
        first = await asyncio.wait_for(listener.memory.get(), 5)
        async with reporter.attempt(TASK, 1):
            second = await asyncio.wait_for(listener.memory.get(), 5)
            assert listener.reports.get_nowait()["attempt"] == 1
    for told in (first, second):
        assert (told["identity"], told["vram_bytes"]) == ("worker-1", 4096)
    own = psutil.Process().memory_info().rss
    assert 0.5 * own < second["rss_bytes"] < 2 * own
    assert first["at"] < second["at"]


async def test_unreachable_listener_does_not_disturb_attempts() -> None:
    bound = on_loopback()
    async with reporting(f"http://127.0.0.1:{bound.getsockname()[1]}") as reporter:
        with capture_logs() as lines:
            async with reporter.attempt(TASK, 1) as report, asyncio.timeout(5):
                report(0.5)
                while not any(line.get("reports") for line in lines):
                    await asyncio.sleep(0.01)
        async with listening(bound) as (listener, _), reporter.attempt(TASK, 2):
            told = await asyncio.wait_for(listener.reports.get(), 5)
    assert {line["event"] for line in lines} == {"progress_lost"}
    assert (told["attempt"], told["kind"]) == (2, "started")


def trained(step: int) -> TrainingProgress:
    """Return a report on a step that stored a sample."""
    sample = StoredFile(key=f"{step}.png", size_bytes=1, content_type="image/png", sha256="0")
    return TrainingProgress(
        training_id=TASK,
        stage=TrainingStatus.TRAINING,
        at=datetime.now(UTC),
        current_step=step,
        files=[sample],
    )


async def test_report_of_a_training_from_a_thread_arrives() -> None:
    async with listening() as (listener, url), reporting(url) as reporter:
        await asyncio.wait_for(listener.memory.get(), 5)
        await asyncio.to_thread(reporter.report_training, trained(3))
        told = await asyncio.wait_for(listener.trainings.get(), 5)
    assert (told["training_id"], told["current_step"]) == (str(TASK), 3)


async def test_newest_of_many_reports_arrives_by_itself_with_the_files_of_all() -> None:
    async with listening() as (listener, url), reporting(url) as reporter:
        reporter.report_training(trained(1))
        await asyncio.wait_for(listener.trainings.get(), 5)
        for step in range(2, 10):
            reporter.report_training(trained(step))
        told = await asyncio.wait_for(listener.trainings.get(), 5)
        assert listener.trainings.empty()
    assert told["current_step"] == 9
    assert [file["key"] for file in told["files"]] == [f"{step}.png" for step in range(2, 10)]


async def test_report_of_a_training_is_sent_again_after_a_failure() -> None:
    async with listening() as (listener, url), reporting(url) as reporter:
        listener.refusals = 1
        reporter.report_training(trained(1))
        told = await asyncio.wait_for(listener.trainings.get(), 5)
    assert [file["key"] for file in told["files"]] == ["1.png"]
    assert listener.refusals == 0


async def test_report_that_the_gateway_refuses_is_not_sent_again() -> None:
    async with listening() as (listener, url), reporting(url) as reporter:
        listener.refusals, listener.refusal = 1, "422 Unprocessable Content"
        reporter.report_training(trained(1))
        while listener.refusals:
            await asyncio.sleep(0.01)
        reporter.report_training(trained(2))
        told = await asyncio.wait_for(listener.trainings.get(), 5)
    assert [file["key"] for file in told["files"]] == ["2.png"]


async def test_reports_without_a_listener_are_dropped() -> None:
    async with reporting("") as silent:
        async with silent.attempt(TASK, 1) as report:
            report(1)
        silent.report_training(trained(1))
        assert not silent._pending
        assert silent._trainings.take(time.monotonic()) == []
