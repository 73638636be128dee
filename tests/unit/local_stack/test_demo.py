"""The demo with a gateway that responds from a script."""

import io
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from local_stack.demo import Demo, demo
from local_stack.errors import StackError
from local_stack.settings import LocalSettings, Providers
from local_stack.stack_file import StackFile
from local_stack.stack_plan import Endpoints

WORKFLOW_ID = "94d4b8a5-5ae8-42f2-9932-442e49f3d82c"
TASK_ID = "3f5b2ae7-2f0c-4b1e-9a4f-0a4a1f3c2d11"
KEY = "sk_sartiq_test"


def step(step_id: str, status: str, **fields: object) -> dict[str, object]:
    return {"step_id": step_id, "status": status, "task_id": None, "result": None, **fields}


def workflow(status: str, *steps: dict[str, object], **fields: object) -> dict[str, object]:
    return {"id": WORKFLOW_ID, "status": status, "progress": 0.0, "steps": steps, **fields}


def done(step_id: str) -> dict[str, object]:
    path = f"generations/{step_id}.webp"
    return step(step_id, "COMPLETED", task_id=TASK_ID, result={"result_image_path": path})


PENDING = workflow("PENDING", step("generate", "PENDING"), step("refine", "PENDING"))
RUNNING = workflow(
    "RUNNING", step("generate", "RUNNING", task_id=TASK_ID), step("refine", "PENDING")
)
COMPLETED = workflow("COMPLETED", done("generate"), done("refine"))
FAILED = workflow(
    "FAILED",
    step("generate", "FAILED", error_message="out of paint"),
    step("refine", "SKIPPED"),
    errors=["generate failed"],
)

Serve = Callable[[list[dict[str, object]]], Demo]


class ScriptedGateway(ThreadingHTTPServer):
    """A gateway that returns the next state of the script for each request."""

    def __init__(self, states: list[dict[str, object]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.states = states
        self.posted: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: ScriptedGateway

    def do_POST(self) -> None:
        assert self.headers["Authorization"] == f"Bearer {KEY}"
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._answer(json.dumps(PENDING).encode(), 201)

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == f"Bearer {KEY}"
        if self.path == f"/api/v1/workflows/{WORKFLOW_ID}":
            self._answer(json.dumps(self.server.states.pop(0)).encode())
        elif self.path == f"/api/v1/tasks/{TASK_ID}":
            self._answer(json.dumps({"status": "EXECUTING", "progress": 40}).encode())
        else:
            self._answer(b"picture of " + self.path.encode())

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the terminal clean."""


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> Iterator[ScriptedGateway]:
    with ScriptedGateway(list(request.param)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def endpoints_of(gateway_port: int, sandbox_url: str | None = None) -> Endpoints:
    return Endpoints(
        gateway_url=f"http://127.0.0.1:{gateway_port}",
        gateway_internal_url="http://127.0.0.1:2",
        temporal_address="127.0.0.1:3",
        temporal_ui_url="http://127.0.0.1:4",
        postgres_url="postgresql://sartiq@127.0.0.1:5/sartiq",
        s3_endpoint="127.0.0.1:6",
        namespace="default",
        sandbox_url=sandbox_url,
    )


def make_demo(server: ScriptedGateway, screen: Console) -> Demo:
    return Demo(endpoints_of(server.server_port), KEY, screen)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[StackFile]:
    """The file of a stack that this process runs."""
    file = StackFile(tmp_path)
    file.claim()
    yield file
    file.release()


class Noted:
    """A demonstration that notes where it ran."""

    def __init__(self) -> None:
        self.ran_at: list[str | None] = []

    def __call__(self, endpoints: Endpoints, _key: str, _console: Console) -> "Noted":
        self.ran_at.append(endpoints.sandbox_url)
        return self

    async def run(self, out: Path, seed: int) -> None:
        assert out.name == str(seed)


def shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize("gateway", [[RUNNING, RUNNING, COMPLETED]], indirect=True)
async def test_pictures_of_both_steps_are_saved(
    gateway: ScriptedGateway, screen: Console, tmp_path: Path
) -> None:
    await make_demo(gateway, screen).run(tmp_path / "out", seed=7)
    for name in ("generate", "refine"):
        expected = f"picture of /api/v1/storage/images/generations/{name}.webp"
        assert (tmp_path / "out" / f"{name}.webp").read_text() == expected
    [body] = gateway.posted
    assert json.loads(body)["steps"][0]["config"]["seed"] == 7
    run_url = f"http://127.0.0.1:4/namespaces/default/workflows/workflow-{WORKFLOW_ID}"
    assert run_url in shown(screen)


@pytest.mark.parametrize("gateway", [[RUNNING, RUNNING, COMPLETED]], indirect=True)
async def test_each_change_is_one_line_where_there_is_no_terminal(
    gateway: ScriptedGateway, screen: Console, tmp_path: Path
) -> None:
    await make_demo(gateway, screen).run(tmp_path, seed=7)
    assert [line.split() for line in shown(screen).splitlines()[:5]] == [
        ["generate", "0", "%", "PENDING"],
        ["refine", "0", "%", "PENDING"],
        ["generate", "40", "%", "RUNNING"],
        ["generate", "100", "%", "COMPLETED"],
        ["refine", "100", "%", "COMPLETED"],
    ]


@pytest.mark.parametrize("gateway", [[RUNNING, FAILED]], indirect=True)
async def test_failed_workflow_shows_its_errors(
    gateway: ScriptedGateway, screen: Console, tmp_path: Path
) -> None:
    with pytest.raises(StackError) as caught:
        await make_demo(gateway, screen).run(tmp_path / "out", seed=7)
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert lines[0].endswith("ended FAILED:")
    assert lines[1:] == ["generate failed", "generate: out of paint"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("gateway", [[RUNNING, COMPLETED]], indirect=True)
async def test_bars_are_drawn_on_a_terminal(gateway: ScriptedGateway, tmp_path: Path) -> None:
    screen = Console(file=io.StringIO(), width=120, force_terminal=True)
    await make_demo(gateway, screen).run(tmp_path, seed=7)
    assert "100 %" in shown(screen)
    assert "━" in shown(screen)


async def test_unreachable_gateway_is_a_readable_error(screen: Console, tmp_path: Path) -> None:
    with ScriptedGateway([]) as server:
        demo = make_demo(server, screen)
    with pytest.raises(StackError, match="does not respond"):
        await demo.run(tmp_path, seed=7)


async def test_tasks_of_providers_are_shown_where_the_running_stack_has_the_sandbox(
    running: StackFile, screen: Console, tmp_path: Path
) -> None:
    settings, noted = LocalSettings(state_dir=tmp_path, providers=Providers.SANDBOX), Noted()

    async def show() -> None:
        options = {"demonstrations": [noted], "on_ready": lambda _name, _seconds: None}
        await demo(settings, screen, out=tmp_path / "7", seed=7, **options)  # type: ignore[arg-type]

    running.write(endpoints_of(1), {}, is_ready=True)
    with pytest.raises(StackError, match="has no sandbox; stop it and start it with"):
        await show()
    assert noted.ran_at == []
    running.write(endpoints_of(1, "http://127.0.0.1:8"), {}, is_ready=True)
    await show()
    assert noted.ran_at == ["http://127.0.0.1:8"]
