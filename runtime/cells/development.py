"""What is watched in development mode: asks that would wait for each other, and handlers that block the event loop.

Each handler runs in a context that knows for which replies it is needed. So an ask sees whether the actor it is
addressed to waits, through others, for this very ask. It costs a context and a few calls for every message, which is
why it is for development only: asyncio's debug mode (PYTHONASYNCIODEBUG=1) or `Settings(development=True)`.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from types import CoroutineType, FrameType
from typing import TYPE_CHECKING, Any

from actors.errors import AskCycleError, BlockingHandlerError
from runtime.cells.within import within

if TYPE_CHECKING:
    from runtime.cells.cell import Cell

LOGGER = logging.getLogger("postroom.actors")

BLOCKING_SECONDS = 0.1
"""A handler that runs so long without a pause is reported."""


class Handling:
    """A message while it is handled."""

    __slots__ = ("cell", "ended")

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.ended = False


_WAITING: ContextVar[tuple[Handling, ...]] = ContextVar("postroom_waiting", default=())
"""The handlers that wait for the reply of the present one, and the present one, in the order they began."""


def refuse_cycle(cell: Cell) -> None:
    """Raise AskCycleError where an actor would be asked that waits for who asks."""
    waiting = [handling for handling in _WAITING.get() if not handling.ended]
    for place, handling in enumerate(waiting):
        if handling.cell is cell:
            raise AskCycleError((*(each.cell.path for each in waiting[place:]), cell.path))


def context_of_tell() -> Context:
    """The context of a message that nobody waits for."""
    context = copy_context()
    context.run(_WAITING.set, ())
    return context


async def handle(cell: Cell, context: Context | None, method: Any, instance: Any, message: Any) -> Any:
    """Call a handler so that the asks in it can be told from others; in the present context unless it has its own."""
    context = context if context is not None else copy_context()
    handling = Handling(cell)
    context.run(_WAITING.set, (*context.get(_WAITING, ()), handling))
    try:
        result = context.run(method, instance, message)
        if type(result) is CoroutineType:
            coroutine: Coroutine[Any, Any, Any] = result
            result = await within(context, coroutine)
        return result
    finally:
        handling.ended = True


class BlockingWatch:
    """Names the handler, and the line, that keeps the event loop from everybody else."""

    def __init__(self) -> None:
        self.found: list[BlockingHandlerError] = []
        self._cell: Cell | None = None
        self._since = 0.0
        self._thread = threading.get_ident()
        self._timer: threading.Timer | None = None
        self._where = ""

    def enter(self, cell: Cell) -> None:
        """An actor begins to run, or goes on."""
        self._cell, self._since, self._where = cell, time.perf_counter(), ""
        self._timer = threading.Timer(BLOCKING_SECONDS, self._look)
        self._timer.daemon = True
        self._timer.start()

    def leave(self) -> None:
        """It has paused or ended."""
        cell, self._cell = self._cell, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = time.perf_counter() - self._since
        if cell is not None and seconds >= BLOCKING_SECONDS:
            error = BlockingHandlerError(cell.path, self._where, seconds)
            self.found.append(error)
            LOGGER.warning("%s", error)

    def _look(self) -> None:
        frame = sys._current_frames().get(self._thread)  # the only way to see another thread's stack
        place = _users_frame(frame)
        if place is not None:
            code = place.f_code
            self._where = f" in {code.co_qualname} ({code.co_filename}:{place.f_lineno})"


def _users_frame(frame: FrameType | None) -> FrameType | None:
    """The handler's own frame: the first one that the runtime called."""
    found = None
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("runtime."):
            return found
        found = frame
        frame = frame.f_back
    return None
