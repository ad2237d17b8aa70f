"""Workers that do as a test says, and a supervisor over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random

from actors.spec import AutoShutdown, Backoff, Intensity, Restart, Strategy, Supervision
from runtime.core.supervision_errors import ShutdownError
from runtime.supervision.supervisor import ChildSpec, OnExit, Supervisor
from runtime.tree import TreeNode
from tests.unit.supervisor_suite.virtual_time import VirtualClock, rest

BOOM = ValueError("boom")
SHUTDOWN = ShutdownError("work done")
AT_ONCE = Backoff(initial_seconds=0.0)


class Worker:
    """A child with a task of its own while it is alive. Starts, stops and kills are written to `log`."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.start_errors: list[BaseException] = []
        self.start_takes = 0.0
        self.stop_takes = 0.0
        self.stop_error: BaseException | None = None
        self.given: list[float] = []
        self._task: asyncio.Task[object] | None = None
        self._on_exit: OnExit | None = None

    @property
    def alive(self) -> bool:
        return self._task is not None

    async def start(self, on_exit: OnExit) -> None:
        assert not self.alive, f"{self.name} was started twice"
        self.log.append(f"start {self.name}")
        if self.start_takes:
            await asyncio.sleep(self.start_takes)
        if self.start_errors:
            raise self.start_errors.pop(0)
        self._on_exit = on_exit
        self._task = asyncio.create_task(asyncio.Event().wait(), name=f"worker {self.name}")

    async def stop(self, shutdown_seconds: float) -> None:
        self.log.append(f"stop {self.name}")
        self.given.append(shutdown_seconds)
        try:
            async with asyncio.timeout(shutdown_seconds):
                await asyncio.sleep(self.stop_takes)
        except TimeoutError:
            self.log.append(f"kill {self.name}")
        finally:
            self._end()
        if self.stop_error is not None:
            raise self.stop_error

    def exit(self, reason: BaseException | None = BOOM) -> None:
        """End by itself."""
        assert self._on_exit is not None
        self._end()
        self._on_exit(reason)

    def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def node(self) -> TreeNode:
        return TreeNode(name=self.name, kind="part", state="running", since=0.0)


class Scene:
    """A supervisor over workers; `seen` empties the log."""

    def __init__(
        self,
        workers: Mapping[str, Supervision] | str = "abc",
        *,
        others: Sequence[ChildSpec] = (),
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        max_restarts: int = 3,
    ) -> None:
        specs = {name: looked_after() for name in workers} if isinstance(workers, str) else workers
        self.log: list[str] = []
        self.workers = {name: Worker(name, self.log) for name in specs}
        self.ends: list[BaseException | None] = []
        self.supervisor = Supervisor(
            "root",
            [*(ChildSpec(self.workers[name], supervision) for name, supervision in specs.items()), *others],
            strategy=strategy,
            intensity=Intensity(max_restarts=max_restarts, period_seconds=5.0),
            auto_shutdown=auto_shutdown,
            clock=VirtualClock(),
            random=Random(1),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Supervisor]:
        await self.supervisor.start(self.ends.append)
        self.log.clear()
        yield self.supervisor
        await self.supervisor.stop(60.0)

    async def exit(self, name: str, reason: BaseException | None = BOOM) -> None:
        """Let a worker end, and all that follows at once."""
        self.workers[name].exit(reason)
        await rest()

    async def add(self, name: str, supervision: Supervision | None = None) -> Worker:
        worker = self.workers[name] = Worker(name, self.log)
        await self.supervisor.add_child(ChildSpec(worker, supervision or looked_after()))
        return worker

    def alive(self) -> str:
        return "".join(name for name, worker in self.workers.items() if worker.alive)

    def listed(self) -> str:
        return "".join(child.name for child in self.supervisor.which_children())

    def seen(self) -> list[str]:
        log, self.log[:] = self.log[:], []
        return log


def looked_after(
    restart: Restart = Restart.PERMANENT, *, significant: bool = False, shutdown_seconds: float = 5.0
) -> Supervision:
    return Supervision(restart=restart, significant=significant, backoff=AT_ONCE, shutdown_seconds=shutdown_seconds)


def nested(
    name: str, children: Sequence[ChildSpec], *, max_restarts: int = 0, auto_shutdown: AutoShutdown = AutoShutdown.NEVER
) -> Supervisor:
    return Supervisor(
        name,
        children,
        intensity=Intensity(max_restarts=max_restarts),
        auto_shutdown=auto_shutdown,
        clock=VirtualClock(),
        random=Random(1),
    )
