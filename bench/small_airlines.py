"""How long the smallest airlines waited while the largest had a backlog: what a fair share is for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import quantiles

import msgspec

SMALLEST = 5
PERCENTS = 100


class Wait(msgspec.Struct, frozen=True):
    """One event: when it was accepted and when its first attempt began, in seconds."""

    carrier: str
    accepted: float
    started: float

    @property
    def seconds(self) -> float:
        return self.started - self.accepted


class SmallAirlines(msgspec.Struct, frozen=True, kw_only=True):
    """The waits of the events of `airlines` that came while `largest` had events waiting.

    `events` is how many those are, `wait_p99_ms` and `wait_max_ms` are None where there are none, and
    `largest_backlog` is how many events of the largest airline waited at most.
    """

    airlines: list[str]
    events: int
    wait_p99_ms: float | None
    wait_max_ms: float | None
    largest: str
    largest_backlog: int

    def __str__(self) -> str:
        names = f"{', '.join(self.airlines)}, the smallest airlines"
        if self.wait_p99_ms is None:
            return f"{names}: none of their events came while {self.largest} had a backlog; try a higher --speed"
        return (
            f"{names}: p99 of the wait {self.wait_p99_ms:.1f} ms, over {self.events:,} events that came while"
            f" {self.largest}, the largest, had a backlog (of {self.largest_backlog:,} at most)"
        )


def small_airlines(largest: str, smallest: Sequence[str], waits: Sequence[Wait]) -> SmallAirlines:
    """`waits` are of all events of these airlines."""
    backlog = _Backlog([wait for wait in waits if wait.carrier == largest])
    met = [wait.seconds * 1000 for wait in waits if wait.carrier in smallest and backlog.at(wait.accepted) > 0]
    return SmallAirlines(
        airlines=list(smallest),
        events=len(met),
        wait_p99_ms=quantiles(met, n=PERCENTS, method="inclusive")[-1] if len(met) > 1 else max(met, default=None),
        wait_max_ms=max(met, default=None),
        largest=largest,
        largest_backlog=backlog.most(),
    )


class _Backlog:
    """How many events of an airline waited at any time."""

    def __init__(self, waits: Sequence[Wait]) -> None:
        self._accepted = sorted(wait.accepted for wait in waits)
        self._started = sorted(wait.started for wait in waits)

    def at(self, when: float) -> int:
        """Those that waited just before something happened at that time."""
        return bisect_left(self._accepted, when) - bisect_right(self._started, when)

    def most(self) -> int:
        return max(
            (bisect_right(self._accepted, when) - bisect_right(self._started, when) for when in self._accepted),
            default=0,
        )
