"""What an actor has started or asked for through its context, beside children. Made with the first such thing.

    watches, links, timers, tasks, the receive time-out, stashed messages

All of it belongs to one life, except for who watches this actor: that is their affair.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from actors.errors import ActorError, ActorStoppedError, LinkedActorError, SpecError
from actors.message import Message, ReceiveTimeout, Request, Terminated
from actors.ref import Ref
from runtime.cells.letter import told
from runtime.core.supervision_errors import describe

if TYPE_CHECKING:
    from runtime.cells.cell import Cell

MAX_STASHED = 10_000


class Ties:
    """See the module."""

    __slots__ = (
        "_cell",
        "_receive",
        "_seconds",
        "_seen",
        "_stash",
        "_tasks",
        "_timers",
        "links",
        "watchers",
        "watching",
    )

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.watchers: dict[Cell, None] = {}
        self.watching: dict[Cell, None] = {}
        self.links: dict[Cell, None] = {}
        self._timers: set[ActorTimer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stash: deque[Any] = deque()
        self._receive: asyncio.Handle | None = None
        self._seconds = 0.0
        self._seen = 0

    # Of one life

    def watch(self, ref: Ref[Any]) -> None:
        self._cell.require_method(Terminated(""))
        other = _cell_behind(ref)
        if other is None or other.stopped:
            reason = other.record.last_reason if other is not None and other.record is not None else None
            self._cell.notify(Terminated(ref.path, reason))
        elif other is not self._cell:
            self.watching[other] = None
            other.bound_ties().watchers[self._cell] = None

    def unwatch(self, ref: Ref[Any]) -> None:
        other = _cell_behind(ref)
        if other is not None and other in self.watching:
            del self.watching[other]
            other.bound_ties().watchers.pop(self._cell, None)

    def link(self, ref: Ref[Any]) -> None:
        other = _cell_behind(ref)
        if other is None or other.stopped:
            raise LinkedActorError(self._cell.path, ref.path, "it has stopped already")
        if other is not self._cell:
            self.links[other] = None
            other.bound_ties().links[self._cell] = None

    def schedule(self, message: Message, after_seconds: float | None, every_seconds: float | None) -> ActorTimer:
        self._cell.require_method(message)
        first = every_seconds if after_seconds is None else after_seconds
        if first is None:
            raise SpecError("after_seconds", "say when: after_seconds, every_seconds, or both")
        if not (math.isfinite(first) and first >= 0):
            raise SpecError("after_seconds", f"must be a finite number, 0 or more, not {first}")
        if every_seconds is not None and not (math.isfinite(every_seconds) and every_seconds > 0):
            raise SpecError("every_seconds", f"must be a finite number above 0, not {every_seconds}")
        timer = ActorTimer(self._cell, self._timers, message, first, every_seconds)
        self._timers.add(timer)
        return timer

    def receive_timeout(self, seconds: float | None) -> None:
        if self._receive is not None:
            self._receive.cancel()
            self._receive = None
        if seconds is None:
            return
        if not (math.isfinite(seconds) and seconds > 0):
            raise SpecError("seconds", f"must be a finite number above 0, not {seconds}")
        self._cell.require_method(ReceiveTimeout(seconds))
        self._seconds = seconds
        self._await_silence()

    def stash(self, message: Message) -> None:
        if isinstance(message, Request):
            raise ActorError(f"{self._cell.path}: a Request is answered when its handler returns and cannot be stashed")
        if len(self._stash) >= MAX_STASHED:
            raise ActorError(f"{self._cell.path}: {MAX_STASHED} messages are stashed; unstash them or refuse them")
        self._stash.append(message)

    def unstash(self) -> None:
        self._cell.put_first(self._stash)
        self._stash.clear()

    def start_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self._cell.path} task")
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    async def end_life(self, reason: BaseException | None) -> None:
        """Undo everything, the last kind first; who is linked crashes where `reason` is a failure."""
        self.receive_timeout(None)
        for timer in list(self._timers):
            timer.cancel()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._cell.supervision.stop_seconds)
        for other in self.watching:
            other.bound_ties().watchers.pop(self._cell, None)
        self.watching.clear()
        links, self.links = self.links, {}
        for other in links:
            other.bound_ties().links.pop(self._cell, None)
            if reason is not None:
                other.command(LinkedActorError(other.path, self._cell.path, describe(reason)))
        self.unstash()

    # For good

    def stopped(self, reason: str | None) -> None:
        """Tell those who watch."""
        watchers, self.watchers = self.watchers, {}
        for watcher in watchers:
            watcher.bound_ties().watching.pop(self._cell, None)
            watcher.notify(Terminated(self._cell.path, reason))

    def _await_silence(self) -> None:
        self._seen = self._cell.handled
        self._receive = asyncio.get_running_loop().call_later(self._seconds, self._silence)

    def _silence(self) -> None:
        if self._cell.idle and self._cell.handled == self._seen:
            self._cell.notify(ReceiveTimeout(self._seconds))
        self._await_silence()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task not in self._tasks:
            return
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._cell.command(error)


class ActorTimer:
    """One of an actor's timers."""

    __slots__ = ("_cell", "_due", "_every", "_handle", "_message", "_timers")

    def __init__(
        self, cell: Cell, timers: set[ActorTimer], message: Message, first: float, every: float | None
    ) -> None:
        self._cell = cell
        self._timers = timers
        self._message = message
        self._every = every
        loop = asyncio.get_running_loop()
        self._due = loop.time() + first
        self._handle: asyncio.Handle = loop.call_at(self._due, self._fire)

    def cancel(self) -> None:
        self._timers.discard(self)
        self._handle.cancel()

    def _fire(self) -> None:
        if self._every is None:
            self._timers.discard(self)
        else:
            loop = asyncio.get_running_loop()
            self._due = max(self._due + self._every, loop.time())  # in step, but never a burst after a long block
            self._handle = loop.call_at(self._due, self._fire)
        self._cell.accept_or_drop(told(self._cell, self._message))


def _cell_behind(ref: Ref[Any]) -> Cell | None:
    """The actor that a reference stands for at this moment; None where its service does not run."""
    find = getattr(ref, "cell", None)
    if find is None:
        raise ActorError(f"{ref.path} is not an actor of this process, so it cannot be watched or linked")
    try:
        found: Cell = find()
    except ActorStoppedError:
        return None
    return found
