"""One tenant with a large backlog, then ten with a few jobs each: how long the small ones wait."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator

import msgspec

from actors import Actor
from bench.case import Measurement
from bench.durable import database, measurement, running
from bench.loops import loop_name, run_on
from bench.neighbours import JOB_SECONDS, LARGE, SLOTS, SMALL, SMALL_JOBS, part
from bench.peers import measure_pgqueuer_neighbour
from runtime import App, Enqueue

QUESTION = "How long do small tenants wait behind a large one's backlog, and what does fairness cost in all?"

SERVICE = "jobs"
LARGE_JOBS = 20_000
QUICK_LARGE_JOBS = 1_000


class Job(msgspec.Struct, frozen=True):
    """Sleeps for a moment."""

    number: int


class Sleeper(Actor):
    """Notes which tenant's job starts when, and sleeps."""

    starts: list[tuple[str | None, float]]

    async def work(self, _: Job) -> None:
        Sleeper.starts.append((self.ctx.tenant, time.perf_counter()))
        await asyncio.sleep(JOB_SECONDS)


class Outcome(msgspec.Struct, frozen=True):
    """What one run found. Times are in seconds."""

    waits: list[float]
    """Of each small tenant's job, from the call that enqueues it to its start, in order."""
    total: float
    """From the call that enqueues the large tenant's jobs to the last outcome on disk."""
    jain: float
    """Jain's index over the jobs started of each tenant while all of them wait."""

    def wait(self, which: float) -> float:
        return part(self.waits, which)


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(QUICK_LARGE_JOBS if quick else LARGE_JOBS))


async def _measure(large_jobs: int) -> Measurement:
    fifo = await _run(large_jobs, [LARGE] * len(SMALL))
    fair = await _run(large_jobs, SMALL)
    metrics = {
        "wait_p50": (fair.wait(0.5), "s"),
        "wait_p99": (fair.wait(0.99), "s"),
        "total": (fair.total, "s"),
        "jain": (fair.jain, "of 1"),
        "fifo_wait_p99": (fifo.wait(0.99), "s"),
        "fifo_total": (fifo.total, "s"),
        "total_ratio": (fair.total / fifo.total, "x of first in, first out"),
    }
    async with database() as url:
        peer = await measure_pgqueuer_neighbour(url, large_jobs)
    note = "skipped: pgqueuer is not installed"
    if peer is not None:
        note = "pgqueuer"
        metrics |= {"peer_total": (peer[0], "s"), "peer_wait_p99": (peer[1], "s")}
    return measurement(
        metrics,
        loop=loop_name(),
        slots=SLOTS,
        job_seconds=JOB_SECONDS,
        large_jobs=large_jobs,
        small_tenants=len(SMALL),
        small_jobs=SMALL_JOBS,
        peer=note,
    )


async def _run(large_jobs: int, small: list[str]) -> Outcome:
    """The small jobs of tenants `small`, behind a large tenant's; where they are its own, this is a plain queue."""
    Sleeper.starts = []
    app = App("bench")
    app.service(SERVICE, Sleeper, slots=SLOTS)
    async with database() as url, running(app, url) as started:
        began = time.perf_counter()
        await app.enqueue_many(SERVICE, _jobs(LARGE, large_jobs))
        arrived = time.perf_counter()
        await app.enqueue_many(SERVICE, itertools.chain.from_iterable(_jobs(name, SMALL_JOBS) for name in small))
        await started.wait_idle(SERVICE)
        total = time.perf_counter() - began
    starts = Sleeper.starts
    rest = len(small) * SMALL_JOBS
    theirs = [at for tenant, at in starts if tenant in SMALL] or [at for _, at in starts[-rest:]]
    return Outcome(sorted(at - arrived for at in theirs), total, _jain(starts))


def _jobs(tenant: str, count: int) -> Iterator[Enqueue]:
    return (Enqueue(message=Job(number), tenant=tenant) for number in range(count))


def _jain(starts: list[tuple[str | None, float]]) -> float:
    """1 when all get the same, 1 / tenants when one gets all (Jain, Chiu and Hawe, 1984)."""
    small = [(tenant, at) for tenant, at in starts if tenant in SMALL]
    if not small:
        return 1 / (1 + len(SMALL))
    lasts = dict(small)
    first, last = small[0][1], min(lasts.values())
    counts = Counter(tenant for tenant, at in starts if first <= at <= last)
    values = [counts[tenant] for tenant in (LARGE, *SMALL)]
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))
