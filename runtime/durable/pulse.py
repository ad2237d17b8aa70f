"""Learns what other processes appended or delayed for shards of this one, and shows that it lives, and how busy."""

from __future__ import annotations

import asyncio
from time import thread_time

from actors.context import Clock
from runtime.core.utilization import Utilization
from runtime.durable.backlog import Backlog
from runtime.durable.delays import Delays
from runtime.errors import StoreUnavailableError
from runtime.store.port import Store

BEAT_SECONDS = 1.0


class Pulse:
    """The work of the `pulse` part: a small statement every `pulse_seconds`, which asks whether there is anything."""

    def __init__(
        self,
        store: Store,
        backlog: Backlog,
        delays: Delays,
        appending: asyncio.Lock,
        clock: Clock,
        *,
        pulse_seconds: float,
    ) -> None:
        self._store = store
        self._backlog = backlog
        self._delays = delays
        self._appending = appending
        self._clock = clock
        self._pulse_seconds = pulse_seconds
        self._next_beat = 0.0
        self._utilization = Utilization(clock.monotonic(), thread_time())

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            try:
                await self._beat()
                await self._ask()
            except StoreUnavailableError:
                pass  # the lease is looked after elsewhere; what others appended is still there afterwards
            await asyncio.sleep(self._pulse_seconds)

    async def _beat(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_beat:
            utilization = self._utilization.since_last(now, thread_time())
            await self._store.beat(self._clock.now(), self._backlog.position, utilization)
            self._next_beat = now + BEAT_SECONDS

    async def _ask(self) -> None:
        arrived, due = await self._store.pulse(self._backlog.position)
        if due is not None:
            self._delays.expect_at(due)
        more = arrived
        while more:
            async with self._appending:
                more = await self._backlog.catch_up()
