"""Actors are spawned under a supervisor, one after another."""

from __future__ import annotations

import gc
import time
import tracemalloc

from bench.actors_arena import arena
from bench.actors_counter import Counter
from bench.actors_rounds import Rounds
from bench.case import Measurement
from bench.limits import tasks

QUESTION = "How many actors a second can be spawned, and how much memory does an idle one hold?"


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=100_000, quick_count=2_000, quick=quick)
    rounds.compare(spawn, tasks)
    rounds.measure("bytes_per_actor", "bytes", bytes_per_actor, count=min(rounds.count, 20_000))
    if (erlang := rounds.erlang("spawn")) is not None:
        rounds.add("erlang_bytes_per_process", erlang.bytes, "bytes")
    return rounds.result()


async def spawn(count: int) -> float:
    async with arena() as actors:
        started = time.perf_counter()
        for n in range(count):
            await actors.spawn(Counter, str(n))
        return count / (time.perf_counter() - started)


async def bytes_per_actor(count: int) -> float:
    """What Python allocated for it and still holds: reference, mailbox, instance, the record at its supervisor."""
    async with arena() as actors:
        refs = [await actors.spawn(Counter, "first")]
        gc.collect()
        tracemalloc.start()
        try:
            refs.extend([await actors.spawn(Counter, str(n)) for n in range(count)])
            gc.collect()
            return tracemalloc.get_traced_memory()[0] / count
        finally:
            tracemalloc.stop()
