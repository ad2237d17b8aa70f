"""A coroutine function as a supervisor's child: one asyncio task per life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from runtime.clock import Clock
from runtime.core.supervision_errors import ChildStuckError, SupervisionError
from runtime.errors import ConflictError
from runtime.supervision.child import OnExit
from runtime.tasks import new_task
from runtime.tree import TreeNode

CANCEL_GRACE_SECONDS = 0.5
"""How long a task may take to end after it was cancelled for the second time."""


Run = Callable[[], Awaitable[None]]


class Readiness(Protocol):
    """An asyncio.Event, or what behaves like one."""

    def clear(self) -> None: ...

    async def wait(self) -> object: ...


class EndedEarlyError(SupervisionError):
    """The coroutine returned before it was ready."""


class TaskChild:
    """For the runtime's own parts: `run` returning is a normal exit, raising an abnormal one.

    `stop` cancels the task, gives it `shutdown_seconds` to clean up, and cancels it once more. What it raises while it
    is being stopped, `stop` raises; `ChildStuckError` if it does not end at all.
    """

    def __init__(
        self,
        name: str,
        run: Run,
        *,
        clock: Clock,
        detail: Callable[[], str | None] = lambda: None,
        state: Callable[[], str] | None = None,
        ready: Readiness | None = None,
    ) -> None:
        self.name = name
        self._run = run
        self._clock = clock
        self._detail = detail
        self._state = state
        self._ready = ready
        self._since = clock.now()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self, on_exit: OnExit) -> None:
        """Return when the task has been made, or where `ready` was given, when that is set.

        Raises what `run` raised before it was ready, and `EndedEarlyError` if it returned before.
        """
        if self._task is not None and not self._task.done():
            raise ConflictError(f"{self.name!r} runs already; stop it first")
        self._stopping = False
        self._since = self._clock.now()
        if self._ready is not None:
            self._ready.clear()
        task = self._task = new_task(self._work(), name=self.name)
        if self._ready is not None:
            await self._wait_ready(task, self._ready)
        task.add_done_callback(lambda task: self._ended(task, on_exit))

    async def stop(self, shutdown_seconds: float) -> None:
        self._stopping = True
        task = self._task
        if task is None:
            return
        for seconds in (shutdown_seconds, CANCEL_GRACE_SECONDS):
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise ChildStuckError(self.name)
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def node(self) -> TreeNode:
        running = self._task is not None and not self._task.done()
        state = self._state() if self._state is not None and running else None
        return TreeNode(
            name=self.name,
            kind="part",
            state=state or ("running" if running else "stopped"),
            since=self._since,
            detail=self._detail(),
        )

    async def _work(self) -> None:
        await self._run()

    async def _wait_ready(self, task: asyncio.Task[None], ready: Readiness) -> None:
        waiting = asyncio.ensure_future(ready.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.stop(0.0)
            raise
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})
        if task.done():
            self._task = None
            task.result()
            raise EndedEarlyError(f"{self.name!r} returned before it was ready")

    def _ended(self, task: asyncio.Task[None], on_exit: OnExit) -> None:
        if self._stopping:
            return
        self._task = None
        if task.cancelled():
            on_exit(asyncio.CancelledError(f"{self.name!r} was cancelled"))
        else:
            on_exit(task.exception())
