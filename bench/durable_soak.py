"""A steady load on the durable path, and what it leaves in memory and in the tables while it goes on."""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import count

import msgspec

from actors import Actor
from actors.spec import Backoff, RetryPolicy
from bench.durable import CHUNK, FILLER, SERVICE, TENANTS, make_app, resident_bytes
from bench.lags import Lags
from runtime import App, Enqueue, Running
from runtime.settings import SECONDS_PER_DAY, Settings

KEYS = 1_000
"""Keys of each tenant: their order is kept."""
PRODUCERS = 16
TICKS_PER_SECOND = 100
"""In each, a call of `enqueue_many` brings what is due."""
RETRIED = 1_000
"""One event of so many fails at its first attempt."""
RETRY = RetryPolicy(backoff=Backoff(initial_seconds=0.1))
SAMPLES = 120
KEPT_PART = 0.1
"""How long history is kept, as a part of the whole time: tables must stop growing long before its end."""
LEAST_KEPT_SECONDS = 2.0
MAX_OUTSTANDING = 20_000
"""Events that wait while the highest rate is measured."""

TABLES = """
SELECT count(i.inhrelid) AS partitions, sum(pg_table_size(c.oid) + pg_indexes_size(c.oid))::bigint AS bytes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE n.nspname = 'postroom' AND c.relkind = 'r'
"""


class Timed(msgspec.Struct, frozen=True):
    """An event of about 200 bytes that knows when it was due."""

    number: int
    due: float
    filler: str


class FirstAttemptError(Exception):
    """One of the events that fail once."""


class Timekeeper(Actor):
    """Notes how long after its time each event begins."""

    lags: Lags
    handled = 0

    async def work(self, message: Timed) -> None:
        if self.ctx.attempt == 1:
            Timekeeper.lags.add(time.perf_counter() - message.due)
            if not message.number % RETRIED:
                raise FirstAttemptError
        Timekeeper.handled += 1


class Sample(msgspec.Struct, frozen=True):
    """What one stretch of the time showed."""

    elapsed_seconds: float
    rate: float
    lag_p50: float
    lag_p99: float
    resident_bytes: int
    table_bytes: int
    partitions: int


class Soak:
    """A load of `rate` events a second for `seconds`, behind which the producers never fall without its being seen.

    An event is late from the moment it was due, whether or not its producer was in time.
    """

    def __init__(self, app: App, started: Running, seconds: float) -> None:
        self._app = app
        self._started = started
        self._seconds = seconds
        self._numbers = count()
        self.samples: list[Sample] = []
        self.lags = Lags()

    async def highest_rate(self, seconds: float) -> float:
        """How many events a second are enqueued and handled at the same time when nothing holds the producers back."""
        Timekeeper.lags = Lags()
        began, before = time.perf_counter(), Timekeeper.handled
        sent = 0

        async def produce() -> None:
            nonlocal sent
            while time.perf_counter() < began + seconds:
                while sent - Timekeeper.handled + before > MAX_OUTSTANDING:  # noqa: ASYNC110 # a signal would cost each event
                    await asyncio.sleep(0.001)
                sent += MAX_OUTSTANDING // 20
                await self._send(MAX_OUTSTANDING // 20, time.perf_counter())

        await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
        rate = (Timekeeper.handled - before) / (time.perf_counter() - began)
        await self._started.wait_idle(SERVICE)
        return rate

    async def run(self, rate: float) -> int:
        """Put the load on until the time is over; returns how many events that were. Each has been handled then."""
        Timekeeper.lags = Lags()
        Timekeeper.handled = 0
        ticks, each = int(self._seconds * TICKS_PER_SECOND), max(1, round(rate / TICKS_PER_SECOND))
        began = time.perf_counter()

        async def produce(first: int) -> None:
            for tick in range(first, ticks, PRODUCERS):
                due = began + tick / TICKS_PER_SECOND
                await asyncio.sleep(due - time.perf_counter())
                await self._send(each, due)

        watching = asyncio.create_task(self._watch(began))
        await asyncio.gather(*(produce(first) for first in range(PRODUCERS)))
        await watching
        await self._started.wait_idle(SERVICE)
        self.lags.merge(Timekeeper.lags)
        assert self.lags.count == Timekeeper.handled == ticks * each, "each event is handled, and handled once"
        return ticks * each

    async def _send(self, number: int, due: float) -> None:
        await self._app.enqueue_many(SERVICE, [self._event(next(self._numbers), due) for _ in range(number)])

    def _event(self, number: int, due: float) -> Enqueue:
        tenant, key = TENANTS[number % len(TENANTS)], f"key-{number // len(TENANTS) % KEYS}"
        return Enqueue(message=Timed(number, due, FILLER), tenant=tenant, key=key)

    async def _watch(self, began: float) -> None:
        handled = 0
        step = self._seconds / SAMPLES
        for place in range(1, SAMPLES + 1):
            await asyncio.sleep(began + place * step - time.perf_counter())
            lags, Timekeeper.lags = Timekeeper.lags, Lags()
            self.lags.merge(lags)
            tables = await self._started.database.fetchrow(TABLES)
            assert tables is not None
            handled, before = Timekeeper.handled, handled
            sample = Sample(
                elapsed_seconds=time.perf_counter() - began,
                rate=(handled - before) / step,
                lag_p50=lags.quantile(0.5),
                lag_p99=lags.quantile(0.99),
                resident_bytes=resident_bytes(),
                table_bytes=tables["bytes"],
                partitions=tables["partitions"],
            )
            self.samples.append(sample)
            sys.stderr.write(f"{_shown(sample)}\n")


def soak_app() -> App:
    """To be called on a running loop."""
    return make_app(Timekeeper, chunk_size=CHUNK, retry=RETRY)


def soak_settings(url: str, seconds: float) -> Settings:
    return Settings(database=url, retention_days=kept_seconds(seconds) / SECONDS_PER_DAY)


def kept_seconds(seconds: float) -> float:
    """How long history is kept in a soak of so many seconds."""
    return max(seconds * KEPT_PART, LEAST_KEPT_SECONDS)


def _shown(sample: Sample) -> str:
    return (
        f"{sample.elapsed_seconds:7.1f} s  {sample.rate:8,.0f}/s  lag p50 {sample.lag_p50 * 1e3:7.1f} ms"
        f"  p99 {sample.lag_p99 * 1e3:7.1f} ms  memory {sample.resident_bytes / 1e6:6.1f} MB"
        f"  tables {sample.table_bytes / 1e6:7.1f} MB in {sample.partitions} partitions"
    )
