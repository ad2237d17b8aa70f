"""The part that keeps the logs bounded: room is made ahead of time, history is dropped when it has aged."""

from __future__ import annotations

import asyncio
import logging

from actors.context import Clock
from runtime.errors import StoreError, StoreUnavailableError
from runtime.store.port import Store

LOGGER = logging.getLogger("postroom.retention")

PERIODS = 7
"""Into how many pieces the history is cut: what is kept too long is at most one of them."""
MAX_TICK_SECONDS = 5.0
TICKS = 4
"""In each period."""
MAX_EVENTS_PER_SECOND = 300_000
"""More than one log can take: between two ticks no more than that has to find room."""


class Retention:
    """Keeps events and outcomes for at least `retention_seconds`, and for ever while they have not ended.

    Whatever keeps it from working, such as a missing right or a query that never ends, is said in the tree and in the
    log; events are accepted and handled all the same.
    """

    def __init__(self, store: Store, clock: Clock, retention_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._kept_seconds = retention_seconds
        self._period_seconds = retention_seconds / PERIODS
        self._tick_seconds = min(MAX_TICK_SECONDS, self._period_seconds / TICKS)
        self._problem: str | None = None
        self._dropped = 0

    def detail(self) -> str | None:
        """What a person should know of its state."""
        return self._problem or (f"{self._dropped} partitions dropped" if self._dropped else None)

    async def open(self) -> None:
        """Make room for the first events."""
        await self._attempt(drop=False)

    async def run(self) -> None:
        """Make room at each tick and drop what has aged in each part of a period, for ever."""
        next_drop = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            drop = now >= next_drop
            if drop:
                next_drop = now + self._period_seconds / TICKS
            await self._attempt(drop=drop)
            await asyncio.sleep(self._tick_seconds)

    async def _attempt(self, *, drop: bool) -> None:
        try:
            now = self._clock.now()
            ahead = int(MAX_EVENTS_PER_SECOND * self._tick_seconds)
            await self._store.extend_log(now, self._period_seconds, ahead)
            if drop:
                self._dropped += await self._store.expire(now - self._kept_seconds)
        except StoreUnavailableError as error:
            LOGGER.debug("the logs are looked after later: %s", error)
        except StoreError as error:
            if self._problem is None:
                LOGGER.warning("%s", error)
            self._problem = str(error)
        else:
            self._problem = None
