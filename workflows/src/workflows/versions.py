"""Command line for the current version of a worker deployment.

`python -m workflows.versions --help`. Needed if `SARTIQ_WORKER_DEPLOYMENT_NAME` is set: a versioned
worker gets no work until its version is current. Temporal's worker controller does the same by
itself.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from shared.settings import TemporalSettings
from shared.temporal.client import connect
from shared.temporal.identity import process_identity
from shared.temporal.worker import WorkerSettings

_T = TypeVar("_T")
_POLL_S = 0.2
_STATUS = "WORKER_DEPLOYMENT_VERSION_STATUS_"

app = typer.Typer(
    help="Versions of worker deployments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_Deployment = Annotated[
    str | None, typer.Option(help="Deployment; else SARTIQ_WORKER_DEPLOYMENT_NAME.")
]


async def set_current(client: Client, deployment: str, build_id: str, *, wait_s: float) -> None:
    """Send new runs to one version; runs that are pinned to another version stay there.

    Args:
        client: connected to the namespace.
        deployment: name of the deployment.
        build_id: its version; an older one rolls back.
        wait_s: seconds to wait for the first worker of that version.

    Raises:
        RPCError: the version is still unknown, or the server refused it.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(
                SetWorkerDeploymentCurrentVersionRequest(
                    namespace=client.namespace,
                    deployment_name=deployment,
                    build_id=build_id,
                    identity=client.identity,
                )
            )
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND or time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_S)
        else:
            return


async def describe(client: Client, deployment: str) -> WorkerDeploymentInfo:
    """Return the server's description of a deployment and its versions.

    Raises:
        RPCError: the server knows no such deployment, or the call failed.
    """
    response = await client.workflow_service.describe_worker_deployment(
        DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    )
    return response.worker_deployment_info


@app.command("set-current")
def set_current_command(
    *,
    deployment: _Deployment = None,
    build_id: Annotated[
        str | None, typer.Option(help="Version; else SARTIQ_WORKER_BUILD_ID.")
    ] = None,
    wait_s: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for its first worker.")
    ] = 60,
) -> None:
    """Give new runs to a version. Also rolls back: name an older one."""
    own = _own_version()
    name = _chosen(deployment, own.deployment_name, "--deployment")
    build = _chosen(build_id, own.build_id, "--build-id")
    _run(lambda client: set_current(client, name, build, wait_s=wait_s))
    typer.echo(f"{name}: {build} is current")


@app.command()
def show(*, deployment: _Deployment = None) -> None:
    """List the versions of a deployment. Drained ones can be stopped."""
    name = _chosen(deployment, _own_version().deployment_name, "--deployment")
    info = _run(lambda client: describe(client, name))
    for version in info.version_summaries:
        status = WorkerDeploymentVersionStatus.Name(version.status).removeprefix(_STATUS)
        since = version.create_time.ToDatetime(UTC).isoformat(timespec="seconds")
        typer.echo(f"{version.deployment_version.build_id}\t{status.lower()}\tsince {since}")


def _own_version() -> WorkerSettings:
    try:
        return WorkerSettings()
    except ValidationError as error:
        _fail(str(error))


def _chosen(given: str | None, own: str, option: str) -> str:
    return given or own or _fail(f"{option} is missing, and no environment variable sets it")


def _run(work: Callable[[Client], Coroutine[Any, Any, _T]]) -> _T:
    async def run() -> _T:
        return await work(await connect(TemporalSettings(), identity=process_identity("versions")))

    try:
        return asyncio.run(run())
    except (RPCError, RuntimeError, ValueError) as error:
        _fail(f"the request to Temporal (SARTIQ_TEMPORAL_ADDRESS) failed: {error}")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def main() -> NoReturn:
    """Run the command."""
    code = 0
    try:
        app(prog_name="python -m workflows.versions")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Without this, one process in ten aborts at its end: a thread of the SDK releases its last
    # response while the interpreter shuts down.
    os._exit(code)


if __name__ == "__main__":
    main()
