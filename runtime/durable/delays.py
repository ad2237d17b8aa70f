"""Delayed events: retries and those enqueued with a delay join the end of the log when they are due."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence

from actors.context import Clock
from runtime.durable.backlog import Backlog
from runtime.durable.crash_points import reach
from runtime.durable.journal import RETRY_SECONDS
from runtime.errors import CommitUnknownError, StoreUnavailableError
from runtime.store.port import Store
from runtime.store.records import Delayed, Entry

MAX_RELEASED = 1000
"""How many events one transaction moves at most."""
MIN_PAUSE_SECONDS = 0.01
"""The grain of a delay: what falls due within it moves in one transaction."""
MAX_PAUSE_SECONDS = 30.0
"""How often to look for events that others delayed."""


class Delays:
    """Moves due events to the log."""

    def __init__(self, store: Store, backlog: Backlog, appending: asyncio.Lock, clock: Clock) -> None:
        self._store = store
        self._backlog = backlog
        self._appending = appending
        self._clock = clock
        self._next = 0.0
        self._wake = asyncio.Event()

    def expect(self, delayed: Iterable[Delayed]) -> None:
        """Events were stored that may fall due before all others."""
        self.expect_at(min((one.due_at for one in delayed), default=math.inf))

    def expect_at(self, due_at: float) -> None:
        """Somebody delayed an event until then."""
        if due_at < self._next:
            self._next = due_at
            self._wake.set()

    def look(self) -> None:
        """The clock was moved: what is due now is moved at once."""
        self._wake.set()

    async def run(self) -> None:
        """Move events as they fall due, for ever."""
        while True:
            try:
                await self._move_due()
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await self._wait()

    async def _move_due(self) -> None:
        self._next = math.inf
        moved = MAX_RELEASED
        while moved == MAX_RELEASED:
            async with self._appending:
                reach("delays.before_release")
                entries = await self._release()
                reach("delays.after_release")
                await self._backlog.admit(entries)
            moved = len(entries)
        self._next = min(self._next, await self._store.next_due() or math.inf)

    async def _release(self) -> Sequence[Entry]:
        """Goes on until it is known what was moved: what is appended after it must not be admitted before it."""
        unsure = False
        while True:
            try:
                return await self._store.release_due(self._clock.now(), MAX_RELEASED)
            except CommitUnknownError:
                unsure = True
            except StoreUnavailableError:
                if not unsure:
                    raise
            await asyncio.sleep(RETRY_SECONDS)

    async def _wait(self) -> None:
        await asyncio.sleep(MIN_PAUSE_SECONDS)
        while (pause := min(self._next - self._clock.now(), MAX_PAUSE_SECONDS)) > 0:
            self._wake.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                return
