"""A replay at a pace: flights are enqueued when they are due, and never twice."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bench.demo import MONTH
from bench.flights import Flight
from bench.flights_csv import read_flights
from bench.pace import Chunk, Pace, paced

MIDNIGHT = datetime(2013, 1, 1, tzinfo=UTC)
ANY = next(read_flights(MONTH))


class Clock:
    """Stands still, except while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def flight(hour: int, minute: int = 0) -> Flight:
    return msgspec.structs.replace(ANY, time_hour=MIDNIGHT + timedelta(hours=hour), minute=minute)


async def chunks_of(flights: list[Flight], clock: Clock, *, size: int = 100, speed: float) -> list[tuple[float, Chunk]]:
    rows = enumerate(flights)
    return [(clock.now, chunk) async for chunk in paced(rows, size, speed, lambda: clock.now)]


def test_a_flight_is_due_when_it_leaves_at_so_many_times_real_time() -> None:
    pace = Pace(60)

    assert [pace.due(flight(*time)) for time in ((5, 15), (5, 16), (6, 15))] == [0, 1, 60]


async def test_flights_come_together_that_are_due_together(monkeypatch: pytest.MonkeyPatch) -> None:
    flights = [flight(5), flight(5), flight(6)]

    found = await chunks_of(flights, Clock(monkeypatch), speed=3600)

    assert [(when, [row for row, _ in chunk]) for when, chunk in found] == [(0, [0, 1]), (1, [2])]


async def test_a_flight_that_the_file_has_late_is_enqueued_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await chunks_of([flight(5), flight(7), flight(6)], Clock(monkeypatch), speed=3600)

    assert [(when, [row for row, _ in chunk]) for when, chunk in found] == [(0, [0]), (2, [1, 2])]


async def test_without_a_pace_every_list_is_full_but_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    flights = [flight(hour) for hour in range(5)]

    found = await chunks_of(flights, Clock(monkeypatch), size=2, speed=math.inf)

    assert [(when, [row for row, _ in chunk]) for when, chunk in found] == [(0, [0, 1]), (0, [2, 3]), (0, [4])]
