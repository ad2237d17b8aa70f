"""Messages in memory, one sender, one receiver, unbounded."""

from __future__ import annotations

from actors import Actor
from bench.actors_arena import arena
from bench.actors_counter import Add, Counter, Total, told_rate
from bench.actors_rounds import Rounds
from bench.case import Measurement
from bench.limits import queue_unbounded

QUESTION = "How many messages a second does one actor get from one sender, beside a bare asyncio.Queue?"


class PlainCounter(Actor):
    """Its handler of what it is told is no coroutine function."""

    total = 0

    def add(self, message: Add) -> None:
        self.total += message.n

    async def report(self, _: Total) -> int:
        return self.total


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=500_000, quick_count=20_000, quick=quick)
    rounds.compare(tell, queue_unbounded)
    if Add in PlainCounter.handlers:
        rounds.compare(tell_plain, queue_unbounded, suffix="_plain")
    else:
        rounds.note("plain", "skipped: a handler must be async yet")
    rounds.erlang("cast")
    return rounds.result()


async def tell(count: int) -> float:
    return await _told(Counter, count)


async def tell_plain(count: int) -> float:
    return await _told(PlainCounter, count)


async def _told(actor: type[Actor], count: int) -> float:
    async with arena() as actors:
        return await told_rate(await actors.spawn(actor, "counter"), count)
