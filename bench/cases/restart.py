"""Every 100th message crashes the actor, whose supervisor restarts it."""

from __future__ import annotations

import logging
import time

import msgspec

from actors import Actor, Backoff, Intensity, PostroomError, Supervision
from bench.actors_arena import arena
from bench.actors_counter import PATIENCE_SECONDS, Add, Total
from bench.actors_rounds import Rounds
from bench.case import Measurement
from bench.cases.tell import tell

QUESTION = "How many messages a second does an actor get that crashes at every 100th, beside one that never does?"
CRASH_EVERY = 100
AT_ONCE = Supervision(
    intensity=Intensity(max_restarts=1_000_000_000, period_seconds=0.001),
    backoff=Backoff(initial_seconds=0, max_seconds=0, jitter=0),
)


class Crash(msgspec.Struct, frozen=True):
    """Told to crash."""


class CrashedError(PostroomError):
    """The crash."""


class Tally:
    """What outlives a crash.

    An attribute of the actor's class would not do: Python looks up everything in a class anew whenever one changes, and
    the handler would be slower than that of `tell`.
    """

    __slots__ = ("lives", "total")

    def __init__(self) -> None:
        self.lives = self.total = 0


class Crasher(Actor):
    """Counts as `tell`'s does, and hands over its count before it crashes."""

    tally = Tally()
    total = 0

    async def on_start(self) -> None:
        self.tally.lives += 1

    async def add(self, message: Add) -> None:
        self.total += message.n

    async def crash(self, _: Crash) -> None:
        self.tally.total += self.total
        raise CrashedError("asked to crash")

    async def report(self, _: Total) -> int:
        return self.tally.total + self.total


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=100_000, quick_count=5_000, quick=quick)
    rounds.note("crash_every", CRASH_EVERY)
    rounds.note("logging", "off")
    logging.disable(logging.CRITICAL)
    rounds.compare(restart, tell)
    rounds.erlang("restart")
    return rounds.result()


async def restart(count: int) -> float:
    tally = Crasher.tally = Tally()
    add, crash = Add(1), Crash()
    crashes = count // CRASH_EVERY
    async with arena() as actors:
        crasher = await actors.spawn(Crasher, "crasher", AT_ONCE)
        started = time.perf_counter()
        for _ in range(crashes):
            for _ in range(CRASH_EVERY - 1):
                crasher.tell(add)
            crasher.tell(crash)
        total = await crasher.ask(Total(), timeout_seconds=PATIENCE_SECONDS)
        seconds = time.perf_counter() - started
    assert total == crashes * (CRASH_EVERY - 1)
    assert tally.lives == crashes + 1
    return crashes * CRASH_EVERY / seconds
