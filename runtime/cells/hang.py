"""The time limit of a handler: when it is over, the handler is cancelled, and its actor restarts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.errors import HandlerHungError
from runtime.cells.letter import message_of

if TYPE_CHECKING:
    from runtime.cells.cell import Cell
    from runtime.cells.run_queue import Runner


class HangTimer:
    """Cancels what an actor does after `hang_seconds`, and again after as long, as a handler may ignore it."""

    __slots__ = ("_cell", "_handle", "_runner", "_what")

    def __init__(self, cell: Cell, runner: Runner) -> None:
        item = cell.adopted.letter if cell.adopted is not None else cell.mail[0] if cell.mail else None
        self._what = "a hook" if item is None else type(message_of(item)).__name__
        self._cell = cell
        self._runner = runner
        self._handle = self._begin()

    def cancel(self) -> None:
        """The handler has ended."""
        self._handle.cancel()
        self._cell.cut = None

    def _begin(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._cell.supervision.hang_seconds, self._fire)

    def _fire(self) -> None:
        cell = self._cell
        if cell.runner is self._runner:
            cell.cut = HandlerHungError(cell.path, self._what, cell.supervision.hang_seconds)
            self._runner.cancel()
            self._handle = self._begin()
