"""Starting and stopping one child at a time, within limits that can be shortened on the way."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from runtime.core.supervision_errors import ChildStuckError, StartTimeoutError
from runtime.core.supervision_events import ChildStarted, ChildStartFailed, ChildStopped, StartChild, StopChild
from runtime.supervision.child import Child, OnExit

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
        self._expired = False

    def cut_short(self, seconds: float) -> None:
        """Leave the operation that is under way, or about to begin, `seconds` at most."""
        self._cut_at = asyncio.get_running_loop().time() + seconds
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._cut_at)

    async def start(self, operation: StartChild, child: Child, on_exit: OnExit) -> ChildStarted | ChildStartFailed:
        if self._cut_at is not None:  # before it began
            self._cut_at = None
            return ChildStartFailed(operation.name, operation.life, None)
        error = await self._attempt(lambda: child.start(on_exit), operation.limit_seconds)
        cut, self._cut_at = self._cut_at is not None, None
        if error is None:
            return ChildStarted(operation.name, operation.life)
        if cut and isinstance(error, TimeoutError | asyncio.CancelledError):
            return ChildStartFailed(operation.name, operation.life, None)
        if self._expired and isinstance(error, TimeoutError):
            error = StartTimeoutError(operation.name, operation.limit_seconds)
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

    async def _attempt(self, call: Callable[[], Awaitable[None]], seconds: float) -> BaseException | None:
        """What `call` raised; TimeoutError if it was cut, CancelledError if the task was cancelled from outside."""
        task = asyncio.current_task()
        assert task is not None
        limit = self._limit = _limit(seconds)
        try:
            async with limit:
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
            self._limit, self._expired = None, limit.expired()
        return None


class StartHere:
    """One start in the task of whoever asked for it. `outcome` is there when `run` is over, however it ends."""

    outcome: ChildStarted | ChildStartFailed

    def __init__(self, operation: StartChild, child: Child) -> None:
        self._operation = operation
        self._child = child
        self._limit = _limit(operation.limit_seconds)
        self._cut = False

    def cut_short(self, seconds: float) -> None:
        self._cut = True
        if not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def run(self, on_exit: OnExit) -> None:
        """Raise nothing but what ends the task itself: its cancellation, an interrupt."""
        name, life = self._operation.name, self._operation.life
        try:
            async with self._limit:
                await self._child.start(on_exit)
        except BaseException as error:
            self.outcome = ChildStartFailed(name, life, self._reason(error))
            if not isinstance(error, Exception):
                raise
        else:
            self.outcome = ChildStarted(name, life)

    def _reason(self, error: BaseException) -> BaseException | None:
        if not (isinstance(error, TimeoutError) and self._limit.expired()):
            return error
        return None if self._cut else StartTimeoutError(self._operation.name, self._operation.limit_seconds)


def _limit(seconds: float) -> asyncio.Timeout:
    return asyncio.timeout(None if math.isinf(seconds) else seconds)


def raise_interrupt(outcome: ChildStarted | ChildStartFailed | ChildStopped) -> None:
    """Pass on what a child raised to end the whole process."""
    error = outcome.reason if isinstance(outcome, ChildStartFailed) else getattr(outcome, "problem", None)
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
