"""Replays at a pace: when each flight is due if a second of the replay is so many seconds of the month."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from time import monotonic

from bench.flights import Flight

Chunk = list[tuple[int, Flight]]
"""Flights with their rows in the file, from 0."""


def departs(flight: Flight) -> datetime:
    """When a flight is scheduled to leave."""
    return flight.time_hour + timedelta(minutes=flight.minute)


class Pace:
    """When flights are due, in seconds after the first one. A flight that the file has out of order is overdue."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._first: datetime | None = None

    def due(self, flight: Flight) -> float:
        when = departs(flight)
        if self._first is None:
            self._first = when
        return (when - self._first).total_seconds() / self._speed


async def paced(
    rows: Iterable[tuple[int, Flight]], size: int, speed: float, clock: Callable[[], float] = monotonic
) -> AsyncIterator[Chunk]:
    """All rows in lists of at most `size`: each time those that have become due since the last list was taken."""
    pace, started = Pace(speed), clock()
    chunk: Chunk = []
    for row, flight in rows:
        due = started + pace.due(flight)
        if chunk and (len(chunk) == size or due > clock()):
            yield chunk
            chunk = []
        if due > clock():
            await asyncio.sleep(due - clock())
        chunk.append((row, flight))
    if chunk:
        yield chunk
