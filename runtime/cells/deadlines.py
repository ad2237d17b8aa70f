"""Time limits of asks: one timer for all of them.

Futures with one time limit that begin to wait in the same tick lie in one set. Per ask that is one look-up, one
`set.add` and one `set.discard`; no handle, no heap.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

TICK_SECONDS = 0.05
"""A time-out comes up to two of these late, and never early."""
EXACT_BELOW_SECONDS = 1.0
"""Shorter limits get a timer of their own, as a tick would be a large part of them."""

Waiting = set[asyncio.Future[Any]]


class Deadlines:
    """Lets futures fail with TimeoutError when their time is up."""

    __slots__ = ("_due", "_new", "_timer")

    def __init__(self) -> None:
        self._new: dict[float, Waiting] = {}
        self._due: list[tuple[float, float, Waiting]] = []
        self._timer: asyncio.TimerHandle | None = None

    def waiting(self, seconds: float) -> Waiting:
        """The futures that have `seconds` from now on. Add yours; take it out when it is done."""
        waiting = self._new.get(seconds)
        if waiting is None:
            waiting = self._open(seconds)
        return waiting

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._new.clear()
        self._due.clear()

    def _open(self, seconds: float) -> Waiting:
        waiting: Waiting = set()
        loop = asyncio.get_running_loop()
        if seconds < EXACT_BELOW_SECONDS:
            loop.call_later(max(0.0, seconds), _expire, waiting, seconds)
            return waiting
        self._new[seconds] = waiting
        if math.isfinite(seconds):
            self._due.append((loop.time() + TICK_SECONDS + seconds, seconds, waiting))
        if self._timer is None:
            self._timer = loop.call_later(TICK_SECONDS, self._tick)
        return waiting

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._new.clear()
        later = []
        for due, seconds, waiting in self._due:
            if due <= now:
                _expire(waiting, seconds)
            elif waiting:
                later.append((due, seconds, waiting))
        self._due = later
        self._timer = loop.call_later(TICK_SECONDS, self._tick) if later else None


def _expire(waiting: Waiting, seconds: float) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(TimeoutError(f"no reply within {seconds:g} s"))
