"""Messages in memory, one sender, one receiver with room for 1,024."""

from __future__ import annotations

import time
from typing import Protocol, cast

from actors import Message
from bench.actors_arena import arena
from bench.actors_counter import PATIENCE_SECONDS, Add, Counter, Total
from bench.actors_rounds import NotYetError, Rounds, skipped
from bench.case import Measurement
from bench.limits import BOUND, queue_bounded

QUESTION = "How many messages a second does a sender that waits for room get through, beside a bounded asyncio.Queue?"


class Sends(Protocol):
    """A reference that waits for room."""

    async def send(self, message: Message) -> None: ...


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=500_000, quick_count=20_000, quick=quick)
    try:
        rounds.compare(send, queue_bounded)
    except NotYetError as reason:
        return skipped("send", reason)
    rounds.note("bound", BOUND)
    return rounds.result()


async def send(count: int) -> float:
    async with arena() as actors:
        counter = await actors.spawn_bounded(Counter, "counter", BOUND)
        sends = cast("Sends", counter)
        message = Add(1)
        started = time.perf_counter()
        for _ in range(count):
            await sends.send(message)
        total = await counter.ask(Total(), timeout_seconds=PATIENCE_SECONDS)
        seconds = time.perf_counter() - started
    assert total == count
    return count / seconds
