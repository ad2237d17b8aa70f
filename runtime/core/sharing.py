"""Who of the members should own which shards, and who of them is dead.

Every member decides for itself, from what it sees of the others. Nothing rests on their seeing the same: a shard is
taken only where the store says that nobody owns it, so it has one owner at most whatever is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec


class Seat(msgspec.Struct, frozen=True):
    """A member that takes shards, and those it has."""

    name: UUID
    shards: frozenset[int]


class Share(msgspec.Struct, frozen=True):
    """What one member should do: take shards that nobody owns, or give up so many of its own."""

    take: frozenset[int] = frozenset()
    surplus: int = 0


def targets(seats: Sequence[Seat], count: int) -> dict[UUID, int]:
    """How many shards each member should have: as many as every other, or one more.

    Who has more keeps one more. Among the rest the name decides, not how many they have by now: else it would change
    with each that takes its part, and the last shard would go begging.
    """
    if not seats:
        return {}
    least, more = divmod(count, len(seats))
    ordered = sorted(seats, key=lambda seat: (min(0, least - len(seat.shards)), seat.name))
    return {seat.name: least + (place < more) for place, seat in enumerate(ordered)}


def share(name: UUID, seats: Sequence[Seat], count: int, owned: Collection[int] = ()) -> Share:
    """What the member `name` should do, of `count` shards; `owned` are those of members that take none any more.

    Taken together, members with the same view move no more shards than evenness takes, and want no shard twice.
    """
    target = targets(seats, count)
    if name not in target:
        return Share()
    taken = frozenset(owned).union(*(seat.shards for seat in seats))
    free = [shard for shard in range(count) if shard not in taken]
    for seat in sorted(seats, key=lambda seat: seat.name):
        missing = max(0, target[seat.name] - len(seat.shards))
        if seat.name == name:
            return Share(frozenset(free[:missing]), max(0, len(seat.shards) - target[name]))
        free = free[missing:]
    return Share()


def choose(own: Collection[int], running: Mapping[int, int], surplus: int) -> frozenset[int]:
    """The shards that are given up at the least cost: those in which the fewest handlers run."""
    return frozenset(sorted(own, key=lambda shard: (running.get(shard, 0), -shard))[:surplus])


class Sign(msgspec.Struct, frozen=True):
    """What is seen of another member.

    `beat` changes as long as it lives. `ended` says that its session with the database is gone, `gone` that its process
    is known not to exist.
    """

    name: UUID
    beat: float
    ended: bool
    gone: bool = False


class _Seen:
    __slots__ = ("beat", "ended_since", "since")

    def __init__(self, beat: float, now: float) -> None:
        self.beat = beat
        self.since = now
        self.ended_since: float | None = None


class Watch:
    """Tells which members are dead.

    Their session has been gone for `grace_seconds`, or they have not moved for `lease_seconds`, on the watcher's own
    monotonic clock. A session alone proves nothing: when the server restarts, it ends all of them, and their members
    come back.
    """

    def __init__(self, *, grace_seconds: float, lease_seconds: float) -> None:
        self._grace = grace_seconds
        self._lease = lease_seconds
        self._seen: dict[UUID, _Seen] = {}
        self._last = 0.0

    def observe(self, signs: Iterable[Sign], now: float) -> list[UUID]:
        """Look at the others, several times in `lease_seconds`; returns who is dead."""
        if now - self._last > self._lease / 2:  # the watcher itself stood still, and the others may have with it
            self._seen.clear()
        self._last = now
        before, self._seen = self._seen, {}
        return [sign.name for sign in signs if self._is_dead(sign, before.get(sign.name), now)]

    def _is_dead(self, sign: Sign, seen: _Seen | None, now: float) -> bool:
        if seen is None or seen.beat != sign.beat:
            ended_since = None if seen is None else seen.ended_since
            seen = _Seen(sign.beat, now)
            seen.ended_since = ended_since
        self._seen[sign.name] = seen
        if not sign.ended:
            seen.ended_since = None
        elif seen.ended_since is None:
            seen.ended_since = now
        if sign.ended and sign.gone:
            return True
        if seen.ended_since is not None and now - seen.ended_since >= self._grace:
            return True
        return now - seen.since >= self._lease
