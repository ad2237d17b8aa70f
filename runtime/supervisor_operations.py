"""Starting and stopping one child at a time, within limits that can be shortened on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from runtime.core.supervision_errors import ChildStuckError
from runtime.core.supervision_events import ChildStarted, ChildStartFailed, ChildStopped, StartChild, StopChild
from runtime.supervisor_child import Child, OnExit

STOP_GRACE_SECONDS = 1.0
"""How much longer than its shutdown time a child's `stop` may take before it is cancelled itself."""


class Operations:
    """Runs in the supervisor's task, one operation after another.

    A cancellation of that task from outside is reported by `on_cancelled` and then taken back: the task still has
    children to stop.
    """

    def __init__(self, on_cancelled: Callable[[], None]) -> None:
        self._on_cancelled = on_cancelled
        self._limit: asyncio.Timeout | None = None
        self._cut_at: float | None = None

    def cut_short(self, seconds: float) -> None:
        """Leave the operation that is under way, or about to begin, `seconds` at most."""
        self._cut_at = asyncio.get_running_loop().time() + seconds
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._cut_at)

    async def start(self, operation: StartChild, child: Child, on_exit: OnExit) -> ChildStarted | ChildStartFailed:
        if self._cut_at is not None:  # before it began
            self._cut_at = None
            return ChildStartFailed(operation.name, operation.life, None)
        error = await self._attempt(lambda: child.start(on_exit), None)
        cut, self._cut_at = self._cut_at is not None, None
        if error is None:
            return ChildStarted(operation.name, operation.life)
        if cut and isinstance(error, TimeoutError | asyncio.CancelledError):
            return ChildStartFailed(operation.name, operation.life, None)
        return ChildStartFailed(operation.name, operation.life, error)

    async def stop(self, operation: StopChild, child: Child) -> ChildStopped:
        """A `stop` that takes too long is cancelled and called once more, with no time left."""
        seconds = operation.shutdown_seconds
        if self._cut_at is not None:  # before it began
            seconds = min(seconds, max(0.0, self._cut_at - asyncio.get_running_loop().time()))
        error = await self._attempt(lambda: child.stop(seconds), seconds + STOP_GRACE_SECONDS)
        if isinstance(error, TimeoutError | asyncio.CancelledError):
            error = await self._attempt(lambda: child.stop(0.0), STOP_GRACE_SECONDS)
        self._cut_at = None
        if isinstance(error, TimeoutError):
            error = ChildStuckError(operation.name)
        return ChildStopped(operation.name, error)

    async def _attempt(self, call: Callable[[], Awaitable[None]], seconds: float | None) -> BaseException | None:
        """What `call` raised; TimeoutError if it was cut, CancelledError if the task was cancelled from outside."""
        task = asyncio.current_task()
        assert task is not None
        self._limit = asyncio.timeout(seconds)
        try:
            async with self._limit:
                await call()
        except asyncio.CancelledError as error:
            self._limit = None
            if task.cancelling():
                task.uncancel()
                self._on_cancelled()
            return error
        except BaseException as error:  # noqa: BLE001  # the supervisor's task raises again what it must not keep
            return error
        finally:
            self._limit = None
        return None
