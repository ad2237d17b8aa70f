"""Requests in memory from a task, one after another."""

from __future__ import annotations

import time

from bench.actors_arena import arena
from bench.actors_counter import Counter, Total
from bench.actors_rounds import Rounds
from bench.case import Measurement
from bench.limits import two_turns

QUESTION = "How many requests a second does a task get answered, one after another, and how long does one take?"


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=100_000, quick_count=5_000, quick=quick)
    rounds.compare(ask, two_turns)
    rounds.measure("p99", "s", ask_p99)
    if (erlang := rounds.erlang("call")) is not None:
        rounds.add("erlang_p99", erlang.p99, "s")
    return rounds.result()


async def ask(count: int) -> float:
    async with arena() as actors:
        counter = await actors.spawn(Counter, "counter")
        request = Total()
        started = time.perf_counter()
        for _ in range(count):
            await counter.ask(request)
        return count / (time.perf_counter() - started)


async def ask_p99(count: int) -> float:
    """Apart from the rate, which reading the clock for every request would lower."""
    took = []
    async with arena() as actors:
        counter = await actors.spawn(Counter, "counter")
        request = Total()
        for _ in range(count):
            started = time.perf_counter()
            await counter.ask(request)
            took.append(time.perf_counter() - started)
    return sorted(took)[count * 99 // 100]
