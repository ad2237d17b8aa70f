"""100 actors tell one."""

from __future__ import annotations

import asyncio
import time

from actors import Actor, Ref, Request
from bench.actors_arena import arena
from bench.actors_counter import PATIENCE_SECONDS, Add, Counter, Total
from bench.actors_rounds import Rounds
from bench.case import Measurement
from bench.limits import queue_fan_in

QUESTION = "How many messages a second does one actor get from 100 others?"
SENDERS = 100


class TellMany(Request[None]):
    """Tell `peer` so often."""

    peer: Ref
    count: int


class Sender(Actor):
    """Sends all in one go."""

    async def tell_many(self, work: TellMany) -> None:
        tell, message = work.peer.tell, Add(1)
        for _ in range(work.count):
            tell(message)


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=500_000, quick_count=20_000, quick=quick)
    rounds.note("senders", SENDERS)
    rounds.compare(fan_in, queue_fan_in)
    rounds.erlang("fan_in")
    return rounds.result()


async def fan_in(count: int) -> float:
    async with arena() as actors:
        counter = await actors.spawn(Counter, "counter")
        senders = [await actors.spawn(Sender, str(n)) for n in range(SENDERS)]
        work = TellMany(counter, count // SENDERS)
        started = time.perf_counter()
        await asyncio.gather(*(sender.ask(work, timeout_seconds=PATIENCE_SECONDS) for sender in senders))
        total = await counter.ask(Total(), timeout_seconds=PATIENCE_SECONDS)
        seconds = time.perf_counter() - started
    assert total == work.count * SENDERS
    return total / seconds
