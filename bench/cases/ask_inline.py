"""Requests in memory from a handler to an actor that has nothing else to do."""

from __future__ import annotations

import time

from actors import Actor, Ref, Request
from bench.actors_arena import arena
from bench.actors_counter import PATIENCE_SECONDS, Counter, Total
from bench.actors_rounds import Rounds
from bench.case import Measurement
from bench.limits import replies

QUESTION = "How many requests a second does a handler get answered by an idle actor?"


class AskMany(Request[float]):
    """Ask `peer` so often; answered with requests per second."""

    peer: Ref
    count: int


class Asker(Actor):
    """Asks from within a handler."""

    async def ask_many(self, work: AskMany) -> float:
        ask, request = work.peer.ask, Total()
        started = time.perf_counter()
        for _ in range(work.count):
            await ask(request)
        return work.count / (time.perf_counter() - started)


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=100_000, quick_count=5_000, quick=quick)
    rounds.compare(ask_inline, replies)
    return rounds.result()


async def ask_inline(count: int) -> float:
    async with arena() as actors:
        peer = await actors.spawn(Counter, "counter")
        asker = await actors.spawn(Asker, "asker")
        return await asker.ask(AskMany(peer, count), timeout_seconds=PATIENCE_SECONDS)
