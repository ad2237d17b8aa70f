"""What limits cost: events one by one, in bulk and to their end, with every limit in force and with none, in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec

from bench.case import Measurement
from bench.cases.enqueue_concurrent import TASKS, enqueue
from bench.durable import CHUNK, SERVICE, Gate, Worker, database, drain, fill, make_app, measurement, running
from bench.loops import loop_name, run_on
from runtime import App, Running
from runtime.core.policy import EVERY_TENANT, EVERYTHING, FIELDS, NOTHING_SET, Policy, Scope

QUESTION = "How much slower are enqueueing, one by one and in bulk, and handling with every limit in force?"
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


class Round(msgspec.Struct, frozen=True):
    """Events a second."""

    rate: float
    processor: float
    """The same of processor time."""
    bulk: float
    end_to_end: float


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    return run_on(loop_name(), _measure(2_000 if quick else 15_000, 1 if quick else ROUNDS))


async def _measure(count: int, rounds: int) -> Measurement:
    async with database() as url, running(app := make_app(chunk_size=CHUNK), url) as started:
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

    def ratio(of: Callable[[Round], float]) -> tuple[float, str]:
        return statistics.median(of(one) / of(other) for one, other in zip(limited, free, strict=True)), "x"

    return measurement(
        {
            "rate": (statistics.median(each.rate for each in limited), "events/s"),
            "free_rate": (statistics.median(each.rate for each in free), "events/s"),
            "ratio": ratio(lambda each: each.rate),
            "processor_ratio": ratio(lambda each: each.processor),
            "bulk_ratio": ratio(lambda each: each.bulk),
            "end_to_end_ratio": ratio(lambda each: each.end_to_end),
        },
        loop=loop_name(),
        events=count,
        rounds=rounds,
        tasks=TASKS,
        service_chunk=CHUNK,
    )


async def _round(app: App, started: Running, count: int) -> Round:
    Worker.gate.release()
    began, used = time.perf_counter(), time.process_time()
    await enqueue(app, count)
    await started.wait_idle(SERVICE)
    rate, processor = count / (time.perf_counter() - began), count / (time.process_time() - used)
    Worker.gate = Gate()
    return Round(rate, processor, await fill(app, count), await drain(started, count))
