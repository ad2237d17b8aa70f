"""Requests in memory from 100 tasks at the same time."""

from __future__ import annotations

import asyncio
import time

from actors import Ref
from bench.actors_arena import arena
from bench.actors_counter import Counter, Total
from bench.actors_rounds import Rounds
from bench.case import Measurement
from bench.limits import turns_of_100

QUESTION = "How many requests a second does one actor answer for 100 callers?"
CALLERS = 100


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=200_000, quick_count=10_000, quick=quick)
    rounds.compare(ask_100, turns_of_100)
    rounds.erlang("call_100")
    return rounds.result()


async def ask_100(count: int) -> float:
    async with arena() as actors:
        counter = await actors.spawn(Counter, "counter")
        each = count // CALLERS
        started = time.perf_counter()
        await asyncio.gather(*(_ask(counter, each) for _ in range(CALLERS)))
        return each * CALLERS / (time.perf_counter() - started)


async def _ask(counter: Ref, count: int) -> None:
    request = Total()
    for _ in range(count):
        await counter.ask(request)
