"""Supervision of child processes: start, readiness, unexpected ends, stop."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from local_stack.child import Child, ChildSpec
from local_stack.errors import ChildDiedError, NotReadyError, StackError

_POLL_S = 0.05
_SOCKETS_POLL_S = 1.0
_RENEWAL_GRACE_S = 3.0

OnReady = Callable[[str, float], None]
"""Called for each ready child, with its name and its start time in seconds."""


class Supervisor:
    """The child processes of one stack, by name.

    If a child ends unexpectedly, `first_death` returns, and starting another child raises. A child
    whose sockets are removed is restarted.
    """

    def __init__(
        self,
        log_dir: Path,
        *,
        start_timeout_s: float,
        on_ready: OnReady = lambda _name, _seconds: None,
    ) -> None:
        self._log_dir = log_dir
        self._start_timeout_s = start_timeout_s
        self._on_ready = on_ready
        self._specs: dict[str, ChildSpec] = {}
        self._children: dict[str, Child] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._socket_watchers: dict[str, asyncio.Task[None]] = {}
        self._death: ChildDiedError | None = None
        self._has_death = asyncio.Event()

    @property
    def running(self) -> list[Child]:
        """Running children, in the order of their start."""
        return [child for child in self._children.values() if child.returncode is None]

    @property
    def death(self) -> ChildDiedError | None:
        """The first unexpected end of a child."""
        return self._death

    async def first_death(self) -> ChildDiedError:
        """Wait until a child ends unexpectedly, and return the error."""
        await self._has_death.wait()
        assert self._death is not None
        return self._death

    async def start(self, spec: ChildSpec) -> None:
        """Start a child and wait until it is ready.

        Raises:
            ChildDiedError: it, or another child, ended meanwhile.
            NotReadyError: it was not ready in time.
        """
        if any(child.name == spec.name for child in self.running):
            raise StackError(f"{spec.name} is already running")
        begin = time.monotonic()
        child = await Child.start(spec, self._log_dir)
        self._specs[spec.name] = spec
        self._children.pop(spec.name, None)  # so that a restarted child counts as the latest
        self._children[spec.name] = child
        watcher = asyncio.create_task(self._watch(child))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        await self._until_ready(child, begin)
        if spec.sockets:
            self._socket_watchers[spec.name] = asyncio.create_task(
                self._watch_sockets(child, child.existing_sockets())
            )
        self._on_ready(spec.name, time.monotonic() - begin)

    async def start_together(self, specs: Iterable[ChildSpec]) -> None:
        """Start children concurrently; raise the first error."""
        try:
            async with asyncio.TaskGroup() as group:
                for spec in specs:
                    group.create_task(self.start(spec))
        except* StackError as failures:
            raise failures.exceptions[0] from None

    async def restart(self, name: str) -> None:
        """Restart a child that was stopped or killed."""
        await self.start(self._specs[name])

    async def run(self, spec: ChildSpec) -> None:
        """Run a child to its end.

        Raises:
            ChildDiedError: it failed, or another child ended meanwhile.
            NotReadyError: it did not end in time.
        """
        begin = time.monotonic()
        child = await Child.start(spec, self._log_dir)
        try:
            while child.returncode is None:
                self._check(child, begin)
                await asyncio.sleep(_POLL_S)
        finally:
            await child.end(grace_s=0)
        if child.returncode != 0:
            raise ChildDiedError(spec.name, child.returncode, child.log_tail())
        self._on_ready(spec.name, time.monotonic() - begin)

    async def kill(self, name: str, which: signal.Signals = signal.SIGKILL) -> None:
        """Signal a child and wait for its end, which then counts as expected."""
        await self._leave_sockets({name})
        await self._children[name].end(which)

    async def stop(self, names: Iterable[str], *, grace_s: float) -> None:
        """Stop children concurrently; kill them after `grace_s` seconds."""
        wanted = set(names)
        await self._leave_sockets(wanted)
        chosen = [child for child in self.running if child.name in wanted]
        await asyncio.gather(*(child.end(grace_s=grace_s) for child in chosen))

    async def _watch(self, child: Child) -> None:
        returncode = await child.wait()
        child.kill_group()
        if child.is_end_expected or self._death is not None:
            return
        self._death = ChildDiedError(child.name, returncode, child.log_tail())
        self._has_death.set()

    async def _watch_sockets(self, child: Child, seen: set[Path]) -> None:
        """Restart the child once a socket disappears; a failed restart counts as its death."""
        while not seen - (existing := await asyncio.to_thread(child.existing_sockets)):
            seen |= existing
            await asyncio.sleep(_SOCKETS_POLL_S)
            if child.returncode is not None:
                return
        await child.end(grace_s=_RENEWAL_GRACE_S)
        try:
            await self.start(child.spec)
        except NotReadyError:
            self._children[child.name].kill_group()
        except ChildDiedError:  # recorded by the watcher of that child
            return

    async def _leave_sockets(self, names: set[str]) -> None:
        """Stop watching the sockets of children that are about to be stopped."""
        watchers = [self._socket_watchers.pop(n) for n in names & self._socket_watchers.keys()]
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)

    async def _until_ready(self, child: Child, begin: float) -> None:
        is_ready = child.spec.is_ready
        while is_ready is not None and not await is_ready():
            if child.returncode is not None and not child.is_end_expected:
                raise ChildDiedError(child.name, child.returncode, child.log_tail())
            self._check(child, begin)
            await asyncio.sleep(_POLL_S)

    def _check(self, child: Child, begin: float) -> None:
        if self._death is not None:
            raise self._death
        if time.monotonic() - begin > self._start_timeout_s:
            raise NotReadyError(child.name, self._start_timeout_s, child.log_tail())
