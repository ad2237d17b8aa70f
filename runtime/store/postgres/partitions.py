"""Which partitions the logs should have: pure, so that every state can be tested.

The event log is cut by the time in the events' ids. The outcome log is cut by number, and nobody knows in advance how
many events a period brings: the next partition is twice as wide if the last one was used up within a period, and half
as wide if it lasted for many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

import msgspec

TIME_BITS = 80
"""A UUIDv7 is its milliseconds, followed by so many other bits."""
LONG_PERIODS = 4
"""A partition that lasted longer is followed by a narrower one."""

_BOUNDS = re.compile(r"FOR VALUES FROM \('?([^')]+)'?\) TO \('?([^')]+)'?\)")


class Partition(msgspec.Struct, frozen=True, order=True):
    """One range, `upper` not included: milliseconds in the event log, numbers in the outcome log."""

    lower: int
    upper: int
    name: str


def id_at(milliseconds: int) -> UUID:
    """The smallest id of a time."""
    return UUID(int=milliseconds << TIME_BITS)


def parse(name: str, bounds: str) -> Partition:
    """A partition as the server describes it."""
    match = _BOUNDS.fullmatch(bounds)
    assert match is not None, f"{name} is no partition by range: {bounds}"
    lower, upper = (UUID(bound).int >> TIME_BITS if "-" in bound else int(bound) for bound in match.groups())
    return Partition(lower, upper, name)


def missing_events(existing: Sequence[Partition], now: float, period_seconds: float) -> Iterator[Partition]:
    """What the event log needs for the period at hand and the next one. Bounds are multiples of the period."""
    period = max(1, round(period_seconds * 1000))
    at_hand = int(now * 1000) // period * period
    lower = max((at_hand, *(each.upper for each in existing)))
    while lower < at_hand + 2 * period:
        upper = lower // period * period + period
        yield Partition(lower, upper, f"event_log_p{lower}")
        lower = upper


def missing_outcomes(existing: Sequence[Partition], last_seq: int, ahead: int, width: int) -> Iterator[Partition]:
    """What the outcome log needs for `ahead` numbers more."""
    lower = max((each.upper for each in existing), default=last_seq + 1)
    while lower <= last_seq + ahead:
        upper = lower + max(width, ahead)
        yield Partition(lower, upper, f"outcome_p{lower}")
        lower = upper


def next_width(width: int, lasted_periods: float) -> int:
    """How wide the partition should be that follows one of `width` numbers."""
    if lasted_periods < 1:
        return width * 2
    return width // 2 if lasted_periods > LONG_PERIODS else width


def expired_events(existing: Iterable[Partition], before: float) -> list[Partition]:
    """Those that hold nothing younger, the oldest first."""
    return sorted(each for each in existing if each.upper <= before * 1000)
