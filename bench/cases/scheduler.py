"""The fair share alone: an entry is enqueued, given out and completed, with no database and no handler."""

from __future__ import annotations

import gc
import itertools
import statistics
import time
import tracemalloc

from bench.case import Measurement, Metric
from runtime.core.fair_share import FairShare

QUESTION = "How many entries a second does the fair share schedule, and what does an idle tenant cost?"

TENANTS = (10, 10_000)
CYCLES = 500_000
QUICK_CYCLES = 20_000
ROUNDS = 3
RUN_SECONDS = 0.001


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    cycles, rounds = (QUICK_CYCLES, 1) if quick else (CYCLES, ROUNDS)
    metrics = [
        Metric("rate", statistics.median(rate(count, cycles) for _ in range(rounds)), "cycles/s", {"tenants": count})
        for count in TENANTS
    ]
    most = TENANTS[-1]
    metrics.append(Metric("bytes_per_idle_tenant", bytes_per_idle_tenant(most), "bytes", {"tenants": most}))
    return Measurement(metrics, {"cycles": cycles})


def rate(tenants: int, cycles: int) -> float:
    """Cycles of enqueue, dispatch and complete a second, in turn for each of so many tenants, all of which wait."""
    share: FairShare[int] = FairShare()
    names = [f"tenant-{number}" for number in range(tenants)]
    for name in names:
        share.push(name, None, 0)
    turns = itertools.cycle(names)
    push, take, complete = share.push, share.take, share.complete
    began = time.perf_counter()
    for name in itertools.islice(turns, cycles):
        push(name, None, 0)
        taken = take()
        assert taken is not None
        complete(taken, RUN_SECONDS)
    return cycles / (time.perf_counter() - began)


def bytes_per_idle_tenant(tenants: int) -> float:
    """What Python holds for a tenant that has nothing to do, but used more than its share before; its name apart."""
    names = [f"tenant-{number}" for number in range(tenants)]
    gc.collect()
    tracemalloc.start()
    try:
        share: FairShare[int] = FairShare()
        share.push("busy", None, 0)
        for name in names:
            share.push(name, None, 0)
            share.push(name, None, 0)
        while (taken := share.take()) is not None:
            share.complete(taken, RUN_SECONDS if taken.tenant == "busy" else 1.0)
        gc.collect()
        known = len(list(share.tenants()))
        return tracemalloc.get_traced_memory()[0] / known
    finally:
        tracemalloc.stop()
