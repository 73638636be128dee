"""The embedded stack as a context manager: `async with LocalStack(settings) as stack: ...`."""

import asyncio
import shutil
import signal
from collections.abc import Coroutine, Mapping
from typing import Any, Self, TypeVar

from local_stack.credentials import load_credentials
from local_stack.errors import ChildDiedError
from local_stack.ports import choose_ports
from local_stack.postgres import NAME as POSTGRES
from local_stack.postgres import Postgres
from local_stack.sandbox import wanted_services
from local_stack.seaweed import NAME as SEAWEED
from local_stack.seaweed import Seaweed
from local_stack.services import SERVICES, Service, first_key, migrations, service_spec
from local_stack.settings import LocalSettings
from local_stack.stack_file import StackFile
from local_stack.stack_plan import Endpoints, StackPlan
from local_stack.supervisor import OnReady, Supervisor
from local_stack.temporal import NAME as TEMPORAL
from local_stack.temporal import Temporal

_ResultT = TypeVar("_ResultT")

# Shares of the stop timeout; the rest is a reserve for the kill.
_SERVICES_SHARE, _SERVERS_SHARE = 0.6, 0.25


class LocalStack:
    """Postgres, Temporal and S3, then the schema, then the services; started and stopped together.

    Without services it consists of the three servers only, and `migrate` creates the schema. Enter
    it from the main thread: on Linux, children end with the thread that started them.
    """

    def __init__(
        self,
        settings: LocalSettings,
        *,
        services: tuple[Service, ...] = SERVICES,
        overrides: Mapping[str, str] | None = None,
        on_ready: OnReady = lambda _name, _seconds: None,
    ) -> None:
        """Plan a stack.

        Args:
            settings: settings of the stack.
            services: the platform's own processes to start.
            overrides: environment variables for them; they override those of the plan.
            on_ready: called for each ready process, with its start time in seconds.
        """
        state_dir = settings.state_dir.resolve()
        self._settings = settings.model_copy(update={"state_dir": state_dir})
        self._overrides = dict(overrides or {})
        self._services = services
        self._file = StackFile(state_dir)
        self._on_ready = on_ready
        self._is_ready = False
        self._supervisor = Supervisor(
            state_dir / "logs", start_timeout_s=settings.start_timeout_s, on_ready=self._note_ready
        )
        self._plan: StackPlan | None = None

    @property
    def plan(self) -> StackPlan:
        """Ports and credentials of this run; available once entered."""
        assert self._plan is not None, "enter the stack first"
        return self._plan

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of this run."""
        return self.plan.endpoints

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for a process that uses this stack."""
        return {**self.plan.environment, **self._overrides}

    @property
    def api_key(self) -> str:
        """An administrator's API key of the gateway."""
        return self.plan.credentials.api_key.get_secret_value()

    @property
    def pids(self) -> dict[str, int]:
        """Pids of the running processes, by name."""
        return {child.name: child.pid for child in self._supervisor.running}

    async def __aenter__(self) -> Self:
        self._prepare()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, error_type: object, error: object, trace: object) -> None:
        await self._stop()
        if error is None and self._supervisor.death is not None:
            raise self._supervisor.death

    async def first_death(self) -> ChildDiedError:
        """Wait until a process ends unexpectedly, and return the error."""
        return await self._supervisor.first_death()

    async def guard(self, work: Coroutine[Any, Any, _ResultT]) -> _ResultT:
        """Run `work`, and cancel it if a process of the stack dies meanwhile.

        Raises:
            ChildDiedError: a process died.
        """
        working = asyncio.create_task(work)
        watching = asyncio.create_task(self.first_death())
        try:
            await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise watching.result()
            return working.result()
        finally:
            working.cancel()
            watching.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def migrate(self) -> None:
        """Bring the schema up to date."""
        await self._supervisor.run(migrations(self.plan))

    async def kill(self, name: str, which: signal.Signals = signal.SIGKILL) -> None:
        """Signal a process and wait for its end; the rest of the stack stays up."""
        await self._supervisor.kill(name, which)

    async def start(self, name: str) -> None:
        """Restart a killed process."""
        await self._supervisor.restart(name)

    def _prepare(self) -> None:
        state_dir = self._settings.state_dir
        state_dir.mkdir(parents=True, exist_ok=True)
        self._file.claim()
        try:
            credentials = load_credentials(self._settings)
            self._plan = StackPlan(self._settings, credentials, choose_ports(self._settings))
        except BaseException:
            self._file.release()
            raise
        for log in (state_dir / "logs").glob("*.log"):
            log.unlink()
        shutil.rmtree(self._plan.scratch, ignore_errors=True)
        self._plan.scratch.mkdir()

    async def _start(self) -> None:
        plan, supervisor = self.plan, self._supervisor
        postgres = Postgres(plan)
        self._note()
        await postgres.prepare(supervisor)
        await supervisor.start_together(
            (postgres.spec(), Temporal(plan).spec(), Seaweed(plan).spec())
        )
        await postgres.create_database()
        if self._services:
            await self.migrate()
            await supervisor.run(first_key(plan))
            await supervisor.start_together(
                service_spec(plan, service, self._overrides)
                for service in wanted_services(plan, self._services, self._overrides)
            )
        self._is_ready = True
        self._note()

    async def _stop(self) -> None:
        """Stop the services before the servers, which they still need while they stop."""
        timeout_s, servers = self._settings.stop_timeout_s, {POSTGRES, TEMPORAL, SEAWEED}
        for names, share in (
            (self.pids.keys() - servers, _SERVICES_SHARE),
            (servers, _SERVERS_SHARE),
        ):
            await self._supervisor.stop(names, grace_s=share * timeout_s)
        self._file.release()

    def _note_ready(self, name: str, seconds: float) -> None:
        self._note()
        self._on_ready(name, seconds)

    def _note(self) -> None:
        self._file.write(self.endpoints, self.pids, is_ready=self._is_ready)
