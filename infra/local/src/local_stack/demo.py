"""The demo: an example workflow, or one task of every type. `python -m local_stack demo`."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from rich.console import Console

from local_stack.api_client import ApiClient, Step, Workflow, picture_path
from local_stack.credentials import load_credentials
from local_stack.errors import StackError
from local_stack.example import example_workflow
from local_stack.progress_view import ProgressView
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from local_stack.stack_file import StackFile
from local_stack.stack_plan import Endpoints
from local_stack.supervisor import OnReady
from shared.contracts.enums import StepStatus, WorkflowStatus

_POLL_S = 0.25


class Demonstration(Protocol):
    """A demonstration on a running stack."""

    async def run(self, out: Path, seed: int) -> None:
        """Run it, and save its pictures to a folder."""
        ...


Prepare = Callable[[Endpoints, str, Console], Demonstration]
"""Prepares a demonstration for a stack's endpoints and API key."""


async def demo(
    settings: LocalSettings,
    console: Console,
    *,
    out: Path,
    seed: int,
    demonstrations: Sequence[Prepare],
    on_ready: OnReady,
) -> None:
    """Run the demo on the running stack, or on a stack that is started for it and stopped after.

    Args:
        settings: settings of the stack.
        console: prints the progress.
        out: folder for the pictures.
        seed: seed of generated pictures.
        demonstrations: prepare what is shown, one after the other.
        on_ready: called for each process of a stack that is started.

    Raises:
        StackError: the stack, the workflow or a task failed.
    """
    running = StackFile(settings.state_dir).running()
    if running is not None:
        if not running.is_ready:
            raise StackError("the stack is still starting; try again once it is ready")
        if settings.providers and not running.endpoints.sandbox_url:
            raise StackError(
                "the running stack has no sandbox; stop it and start it with: "
                "python -m local_stack up --providers sandbox"
            )
        api_key = load_credentials(settings).api_key.get_secret_value()
        for prepare in demonstrations:
            await prepare(running.endpoints, api_key, console).run(out, seed)
        return
    async with LocalStack(settings, on_ready=on_ready) as stack:
        for prepare in demonstrations:
            await stack.guard(prepare(stack.endpoints, stack.api_key, console).run(out, seed))
        console.print("stopping the stack; to keep one running: python -m local_stack up")


class Demo:
    """Demonstration of the example workflow."""

    def __init__(self, endpoints: Endpoints, api_key: str, console: Console) -> None:
        self._endpoints = endpoints
        self._api_key = api_key
        self._console = console

    async def run(self, out: Path, seed: int) -> None:
        """Post the workflow, show its progress, save its pictures, and print its URLs."""
        async with ApiClient(self._endpoints.gateway_url, self._api_key) as api:
            created = await api.create_workflow(example_workflow(seed=seed))
            workflow = await self._watch(api, created)
            if workflow.status is not WorkflowStatus.COMPLETED:
                raise StackError(_failure(workflow))
            for step in workflow.steps:
                await self._save(api, step, out)
        self._console.print(f"this run      {self._endpoints.run_url(workflow.id)}")
        self._console.print(f"API           {self._endpoints.gateway_url}/docs")

    async def _watch(self, api: ApiClient, workflow: Workflow) -> Workflow:
        with ProgressView(self._console) as view:
            while True:
                for step in workflow.steps:
                    view.show(step.step_id, step.status, await _percent(api, step))
                if workflow.is_over:
                    return workflow
                await asyncio.sleep(_POLL_S)
                workflow = await api.workflow(workflow.id)

    async def _save(self, api: ApiClient, step: Step, out: Path) -> None:
        path = step.result.result_image_path if step.result else None
        if path is None:
            return
        file = out / f"{step.step_id}{PurePosixPath(path).suffix or '.png'}"
        picture = await api.picture(path)
        await asyncio.to_thread(_write, file, picture)
        url = f"{api.base_url}{picture_path(path)}"
        self._console.print(f"{step.step_id:<14}{file} ({len(picture)} bytes), {url}")


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


async def _percent(api: ApiClient, step: Step) -> float:
    if step.status is StepStatus.COMPLETED:
        return 100
    if step.task_id is None:
        return 0
    return (await api.task(step.task_id)).progress or 0


def _failure(workflow: Workflow) -> str:
    causes = [*workflow.errors, *([workflow.error_message] if workflow.error_message else [])]
    causes += [
        f"{step.step_id}: {step.error_message}" for step in workflow.steps if step.error_message
    ]
    unique = dict.fromkeys(causes) or {"the API names no cause": None}
    return "\n  ".join((f"workflow {workflow.id} ended {workflow.status}:", *unique))
