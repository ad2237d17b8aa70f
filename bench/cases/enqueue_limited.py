"""What limits cost: events one by one from many tasks, with every limit in force and with none, in turn."""

from __future__ import annotations

import statistics
import time

from bench.case import Measurement
from bench.cases.enqueue_concurrent import TASKS, enqueue
from bench.durable import CHUNK, SERVICE, Worker, database, make_app, measurement, running
from bench.loops import loop_name, run_on
from runtime import App, Running
from runtime.core.policy import EVERY_TENANT, EVERYTHING, FIELDS, NOTHING_SET, Policy, Scope

QUESTION = "How much slower is enqueueing one by one with every limit in force?"
ROUNDS = 9
PLENTY = 1_000_000_000
"""A limit that nothing reaches."""
LIMITS = Policy(backlog=PLENTY, rate=float(PLENTY), burst=PLENTY)
SCOPES = {
    EVERYTHING: LIMITS,
    Scope(SERVICE): LIMITS,
    Scope(SERVICE, EVERY_TENANT): LIMITS,
    Scope(None, EVERY_TENANT): Policy(backlog=PLENTY, rate=float(PLENTY), burst=PLENTY, daily_quota=PLENTY),
}


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(2_000 if quick else 15_000, 1 if quick else ROUNDS))


async def _measure(count: int, rounds: int) -> Measurement:
    async with database() as url, running(app := make_app(chunk_size=CHUNK), url) as started:
        Worker.gate.release()
        await _round(app, started, 1000)
        free, limited = [], []
        for _ in range(rounds):
            free.append(await _round(app, started, count))
            for scope, policy in SCOPES.items():
                await started.policies.change(scope, policy, by="bench")
            await enqueue(app, TASKS)  # backlogs are counted, and days read, with the first event of each tenant
            limited.append(await _round(app, started, count))
            for scope in SCOPES:
                await started.policies.change(scope, NOTHING_SET, FIELDS, by="bench")
    return measurement(
        {
            "rate": (statistics.median(rate for rate, _ in limited), "events/s"),
            "free_rate": (statistics.median(rate for rate, _ in free), "events/s"),
            "ratio": (statistics.median(one[0] / other[0] for one, other in zip(limited, free, strict=True)), "x"),
            "processor_ratio": (
                statistics.median(one[1] / other[1] for one, other in zip(limited, free, strict=True)),
                "x",
            ),
        },
        loop=loop_name(),
        events=count,
        rounds=rounds,
        tasks=TASKS,
        service_chunk=CHUNK,
    )


async def _round(app: App, started: Running, count: int) -> tuple[float, float]:
    """Events a second, and seconds of this process's processor time for all of them."""
    began, used = time.perf_counter(), time.process_time()
    await enqueue(app, count)
    await started.wait_idle(SERVICE)
    return count / (time.perf_counter() - began), time.process_time() - used
