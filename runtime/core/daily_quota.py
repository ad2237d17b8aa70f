"""A quota over a rolling day, counted in hourly buckets. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping

HOUR_SECONDS = 3600
HOURS = 24


def hour_of(now: float) -> int:
    return int(now // HOUR_SECONDS)


class RollingDay:
    """Events of one tenant by the hour.

    An hour counts until all of it is older than 24 hours, so the window is between 24 and 25 hours.
    """

    __slots__ = ("_hour", "_known", "_unsaved", "_used", "learned")

    def __init__(self) -> None:
        self.learned = False
        """Whether what was saved before is known."""
        self._hour = 0
        """The hour in which `_used` holds; 0 if it has to be added up anew."""
        self._used = 0
        self._known: dict[int, int] = {}
        self._unsaved: dict[int, int] = {}

    def used(self, now: float) -> int:
        hour = hour_of(now)
        if hour != self._hour:
            self._hour, self._used = hour, sum(self._counting(now).values())
        return self._used

    def add_within(self, quota: float, count: int, now: float) -> bool:
        """Count events, unless they would exceed the quota.

        A negative count takes back what was counted in this hour.
        """
        hour = now // HOUR_SECONDS
        used = (self._used if hour == self._hour else self.used(now)) + count
        if used > quota:
            return False
        self._used = used
        self._unsaved[self._hour] = self._unsaved.get(self._hour, 0) + count
        return True

    def room_at(self, count: int, quota: int, now: float) -> float | None:
        """When `count` events will fit into the quota, or None if they never will."""
        if count > quota:
            return None
        when = now
        excess = self.used(now) + count - quota
        for hour, events in sorted(self._counting(now).items()):
            if excess <= 0:
                break
            excess -= events
            when = float((hour + 1 + HOURS) * HOUR_SECONDS)
        return when

    def _counting(self, now: float) -> dict[int, int]:
        """The hours that count at a time."""
        first = hour_of(now) - HOURS
        hours = self._known.keys() | self._unsaved.keys()
        return {hour: self._known.get(hour, 0) + self._unsaved.get(hour, 0) for hour in hours if hour >= first}

    def take_unsaved(self) -> dict[int, int]:
        """What has been counted since the last call, to be saved by the caller."""
        unsaved, self._unsaved = self._unsaved, {}
        for hour, count in unsaved.items():
            self._known[hour] = self._known.get(hour, 0) + count
        return {hour: count for hour, count in unsaved.items() if count}

    def give_back(self, unsaved: Mapping[int, int]) -> None:
        """What `take_unsaved` gave could not be saved: it is to be saved later."""
        for hour, count in unsaved.items():
            self._known[hour] -= count
            self._unsaved[hour] = self._unsaved.get(hour, 0) + count

    def learn(self, hours: Mapping[int, int]) -> None:
        """What all processes have saved, this one included."""
        self._known = dict(hours)
        self._hour = 0
        self.learned = True
