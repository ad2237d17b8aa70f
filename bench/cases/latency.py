"""One event at a time, from the call of `enqueue` to the start of its handler."""

from __future__ import annotations

import asyncio
import time

from bench.case import Measurement
from bench.durable import FILLER, FIRST, SERVICE, TENANTS, Work, Worker, database, make_app, measurement, running
from bench.durable_limits import Copy, raw
from bench.loops import loop_name, run_on

QUESTION = "How long does it take from enqueue to the start of the handler at 20 events a second?"
PER_SECOND = 20
WARM_UP = 20


class Stopwatch(Worker):
    """Writes down when each event began."""

    began: dict[int, float]

    async def work(self, message: Work) -> None:
        Stopwatch.began[message.number] = time.perf_counter()


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(20 if quick else 400))


async def _measure(count: int) -> Measurement:
    Stopwatch.began = {}
    async with database() as url, running(app := make_app(Stopwatch), url) as started, raw(url) as connection:
        sent: dict[int, float] = {}
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number in range(FIRST, FIRST + WARM_UP + count):
            await asyncio.sleep(due - loop.time())
            due += 1 / PER_SECOND
            sent[number] = time.perf_counter()
            await app.enqueue(SERVICE, Work(number, FILLER), tenant=TENANTS[number % len(TENANTS)])
        await started.wait_idle(SERVICE)
        commit = await Copy(connection).commit_seconds(count)
    waits = sorted(Stopwatch.began[number] - at for number, at in list(sent.items())[WARM_UP:])
    p50 = waits[len(waits) // 2]
    return measurement(
        {
            "p50": (p50, "s"),
            "p99": (waits[int(len(waits) * 0.99)], "s"),
            "commit_p50": (commit, "s"),
            "ratio": (p50 / commit, "x of a commit of one row"),
        },
        loop=loop_name(),
        events=count,
        events_per_second=PER_SECOND,
    )
