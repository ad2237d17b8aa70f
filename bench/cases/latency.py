"""One event at a time, from the call of `enqueue` to the start of its handler."""

from __future__ import annotations

import asyncio
import statistics
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
    sent: dict[int, float] = {}
    commits: list[float] = []
    async with database() as url, running(app := make_app(Stopwatch), url) as started, raw(url) as connection:
        copy, pace = Copy(connection), _Pace(2 * PER_SECOND)
        for number in range(FIRST, FIRST + WARM_UP + count):
            await pace.wait()
            sent[number] = time.perf_counter()
            await app.enqueue(SERVICE, Work(number, FILLER), tenant=TENANTS[number % len(TENANTS)])
            await pace.wait()
            commits.append(await copy.commit_seconds(number - FIRST))
        await started.wait_idle(SERVICE)
    waits = sorted(Stopwatch.began[number] - at for number, at in list(sent.items())[WARM_UP:])
    p50, commit = statistics.median(waits), statistics.median(commits[WARM_UP:])
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


class _Pace:
    """So many turns a second, however long each takes."""

    def __init__(self, per_second: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._step = 1.0 / per_second

    async def wait(self) -> None:
        self._due += self._step
        await asyncio.sleep(self._due - self._loop.time())
