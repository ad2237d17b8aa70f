"""Events one by one from many tasks, each awaited, while the service handles them."""

from __future__ import annotations

import asyncio
import time

from bench.case import Measurement
from bench.durable import CHUNK, SERVICE, Worker, database, events, make_app, measurement, running
from bench.durable_limits import Copy, raw
from bench.loops import loop_name, run_on
from runtime import App

QUESTION = "How many events a second do 64 tasks enqueue and await, processed to a recorded outcome meanwhile?"
TASKS = 64


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(10_000 if quick else 100_000))


async def _measure(count: int) -> Measurement:
    async with database() as url, running(app := make_app(chunk_size=CHUNK), url) as started, raw(url) as connection:
        Worker.gate.release()
        await enqueue(app, 1000)
        await started.wait_idle(SERVICE)
        limit = await Copy(connection).rate(count)
        began = time.perf_counter()
        await enqueue(app, count)
        enqueued = time.perf_counter() - began
        await started.wait_idle(SERVICE)
        seconds = time.perf_counter() - began
    return measurement(
        {
            "rate": (count / seconds, "events/s"),
            "enqueue_rate": (count / enqueued, "events/s"),
            "ratio": (count / seconds / limit, "x of raw COPY"),
        },
        loop=loop_name(),
        events=count,
        tasks=TASKS,
        service_chunk=CHUNK,
    )


async def enqueue(app: App, count: int) -> None:
    """Enqueue so many events one by one, TASKS of them at a time, and return when all are on disk."""
    rest = events(count)  # the tasks share it: each takes the next

    async def produce() -> None:
        for one in rest:
            await app.enqueue(SERVICE, one.message, tenant=one.tenant)

    await asyncio.gather(*(produce() for _ in range(TASKS)))
