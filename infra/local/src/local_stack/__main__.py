"""Command line of the embedded stack: `python -m local_stack up | down | status | run | demo`."""

import os
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local_stack.demo import Demo, Prepare
from local_stack.demo import demo as run_demo
from local_stack.errors import StackError
from local_stack.every_task import EveryTask
from local_stack.example import curl_commands, provider_command
from local_stack.foreground import run_in_foreground
from local_stack.settings import LocalSettings, Providers
from local_stack.stack import LocalStack
from local_stack.stack_file import StackFile, terminate
from local_stack.stack_plan import Endpoints, running_plan
from local_stack.training_demo import TrainingDemo

app = typer.Typer(
    help="Sartiq Compute, complete, on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class DemoTasks(StrEnum):
    """Choices for the demo."""

    EXAMPLE = "example"
    ALL = "all"
    TRAINING = "training"


_STAND_IN = Annotated[
    Providers | None,
    typer.Option(
        help="A stand-in for the outside providers: the sandbox, a server of this machine."
    ),
]

console = Console(highlight=False, soft_wrap=True)


@app.command()
def up(providers: _STAND_IN = None) -> None:
    """Start everything, show the endpoints, stop on Ctrl-C."""
    raise typer.Exit(run_in_foreground(_serve(_settings(providers))))


@app.command()
def down() -> None:
    """Stop the running stack of the state folder."""
    settings = LocalSettings()
    file = StackFile(settings.state_dir)
    record = file.running()
    if record is None:
        file.clear_leftovers()
        console.print("no stack is running")
        return
    if not terminate(record.supervisor, settings.stop_timeout_s + 2):
        console.print("the stack did not stop in time and was killed")
        file.clear_leftovers()
    console.print("stopped")


@app.command()
def status() -> None:
    """Show the endpoints of the running stack; exit with 1 if there is none."""
    record = StackFile(LocalSettings().state_dir).running()
    if record is None:
        console.print("no stack is running")
        raise typer.Exit(1)
    console.print(_table(record.endpoints))
    for child in record.children:
        console.print(f"{child.name:<18}{'pid ' + str(child.pid) if child.process else 'gone'}")


@app.command(context_settings={"allow_interspersed_args": False})
def run(command: Annotated[list[str], typer.Argument(metavar="COMMAND...")]) -> None:
    """Run a command with the running stack's settings in its environment.

    For example: python -m local_stack run python -m api_gateway.keys list
    """
    settings = LocalSettings()
    try:
        if StackFile(settings.state_dir).running() is None:
            raise StackError("no stack is running")
        environment = {**os.environ, **running_plan(settings).environment}
    except StackError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from error
    try:
        # The command replaces this process, so that signals and exit code are its own.
        os.execvpe(command[0], command, environment)  # noqa: S606 -- the purpose of this command
    except OSError as error:
        console.print(f"{command[0]}: {error.strerror}", markup=False)
        raise typer.Exit(127) from error


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
    seed: Annotated[int, typer.Option(help="Seed of the generated picture.")] = 7,
    tasks: Annotated[
        DemoTasks,
        typer.Option(help="The API reference's example, one of every task type, or a training."),
    ] = DemoTasks.EXAMPLE,
    providers: _STAND_IN = None,
) -> None:
    """Generate pictures and save them; start a stack if none is running."""
    settings = _settings(providers)
    command = run_demo(
        settings,
        console,
        out=out,
        seed=seed,
        demonstrations=demonstrations(tasks, settings.providers),
        on_ready=_report,
    )
    raise typer.Exit(run_in_foreground(command))


def demonstrations(tasks: DemoTasks, providers: Providers | None) -> Sequence[Prepare]:
    """Return what a demo shows."""
    choices: dict[DemoTasks, Sequence[Prepare]] = {
        DemoTasks.EXAMPLE: [Demo],
        DemoTasks.ALL: [partial(EveryTask, providers=providers), TrainingDemo],
        DemoTasks.TRAINING: [TrainingDemo],
    }
    return choices[tasks]


def _settings(providers: Providers | None) -> LocalSettings:
    return LocalSettings() if providers is None else LocalSettings(providers=providers)


async def _serve(settings: LocalSettings) -> None:
    async with LocalStack(settings, on_ready=_report) as stack:
        console.print(f"\n{_table(stack.endpoints)}\n")
        console.print(curl_commands(stack.endpoints.gateway_url, stack.api_key), markup=False)
        if settings.providers is Providers.SANDBOX:
            command = provider_command(stack.endpoints.gateway_url, stack.api_key)
            console.print(f"\n{command}", markup=False)
        console.print(f"\nstate and logs in {settings.state_dir}; Ctrl-C stops everything")
        raise await stack.first_death()


def _report(name: str, seconds: float) -> None:
    console.print(f"{name:<18}ready after {seconds:.1f} s")


def _table(endpoints: Endpoints) -> str:
    rows = {
        "API": f"{endpoints.gateway_url}/docs",
        "Temporal UI": endpoints.temporal_ui_url,
        "Temporal": endpoints.temporal_address,
        "Postgres": endpoints.postgres_url,
        "S3": endpoints.s3_endpoint,
    }
    if endpoints.sandbox_url:
        rows["Sandbox"] = f"{endpoints.sandbox_url}/_ledger"
    return "\n".join(f"{name:<18}{where}" for name, where in rows.items())


if __name__ == "__main__":
    app()
