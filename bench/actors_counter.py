"""The actor that most benchmarks send to: it counts."""

from __future__ import annotations

import time

import msgspec

from actors import Actor, Ref, Request

PATIENCE_SECONDS = 20.0
"""How long the last reply may take: it waits behind every message sent before."""


class Add(msgspec.Struct, frozen=True):
    """Told."""

    n: int


class Total(Request[int]):
    """Asked."""


class Counter(Actor):
    """Adds what it is told."""

    total = 0

    async def add(self, message: Add) -> None:
        self.total += message.n

    async def report(self, _: Total) -> int:
        return self.total


async def told_rate(counter: Ref, count: int) -> float:
    """Tell a counter `count` times in one go and wait until it has handled all; returns messages per second."""
    before = await counter.ask(Total())
    message = Add(1)
    started = time.perf_counter()
    for _ in range(count):
        counter.tell(message)
    total = await counter.ask(Total(), timeout_seconds=PATIENCE_SECONDS)
    seconds = time.perf_counter() - started
    assert total - before == count, f"{total - before} of {count} messages were handled"
    return count / seconds
