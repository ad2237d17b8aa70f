"""Every 100th message crashes the actor, whose supervisor restarts it."""

from __future__ import annotations

import logging
import time
from typing import ClassVar

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


class Crasher(Actor):
    """Counts in the class, because an instance ends with its crash."""

    lives: ClassVar[int] = 0
    total: ClassVar[int] = 0

    async def on_start(self) -> None:
        Crasher.lives += 1

    async def add(self, message: Add) -> None:
        Crasher.total += message.n

    async def crash(self, _: Crash) -> None:
        raise CrashedError("asked to crash")

    async def report(self, _: Total) -> int:
        return self.total


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=100_000, quick_count=5_000, quick=quick)
    rounds.note("crash_every", CRASH_EVERY)
    rounds.note("logging", "off")
    logging.disable(logging.CRITICAL)
    rounds.compare(restart, tell)
    rounds.erlang("restart")
    return rounds.result()


async def restart(count: int) -> float:
    Crasher.lives = Crasher.total = 0
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
    assert Crasher.lives == crashes + 1
    return crashes * CRASH_EVERY / seconds
