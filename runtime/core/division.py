"""How the members of a deployment divide what a limit allows: whole units, by owned shards, and lent by demand.

Every member decides for itself, and the same if it sees the same. Nothing rests on that: a member takes only what
nobody holds (`runtime.core.portions`), so that however differently they see it, they hold no more than there is.

- Each member is guaranteed one unit, and of the rest its part by shards (largest remainder).
- What a member does not want of its guarantee is lent to those who want more, evenly (max-min; Bertsekas and Gallager,
  Data Networks, 1992, section 6.5.2). Nothing is left while anybody wants it.
- Where more members want some than there are units, they take turns of `TURN_SECONDS`: who has waited longest is next,
  and who has had its unit longest gives it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

TURN_SECONDS = 1.0
"""How long a member may keep its only unit while others want it and have none."""


class Seat(msgspec.Struct, frozen=True):
    """A member at the table: its shards, the units it holds and wants, and since when it holds any, or lacks all."""

    shards: int
    held: int
    wanted: int
    since: float


def divide(units: int, seats: Mapping[UUID, Seat], now: float) -> dict[UUID, int]:
    """How many of `units` (0 or more) each member should have; together they have all of them.

    `now` is on the same clock as `Seat.since`, in seconds. Members without shards that want nothing get nothing. Only
    where there are no others a unit stays with nobody.
    """
    wanted = {name: min(seat.wanted, units) for name, seat in sorted(seats.items())}
    wanting = [name for name, count in wanted.items() if count]
    if len(wanting) > units:
        turn = _turn(units, {name: seats[name] for name in wanting}, now)
        return {name: int(name in turn) for name in wanted}
    due = _guarantees(units, seats, wanting)
    parts = {name: min(count, due[name]) for name, count in wanted.items()}
    _add(parts, {name: wanted[name] - part for name, part in parts.items()}, units)
    _add(parts, {name: max(0, due[name] - part) for name, part in parts.items()}, units)
    return parts


def by_shards(units: int, shards: Mapping[UUID, int]) -> dict[UUID, int]:
    """Units in proportion to shards, the last ones to the largest remainders."""
    total = sum(shards.values())
    if not total:
        return dict.fromkeys(shards, 0)
    parts = {name: units * count // total for name, count in shards.items()}
    left = units - sum(parts.values())
    for name in sorted(shards, key=lambda name: (-(units * shards[name] % total), name))[:left]:
        parts[name] += 1
    return parts


def fill(room: int, needs: Mapping[UUID, int]) -> dict[UUID, int]:
    """Share `room` out evenly, to none more than it needs; what does not divide goes to the first by name."""
    given = dict.fromkeys(needs, 0)
    left = min(room, sum(needs.values()))
    while left:
        hungry = sorted(name for name, need in needs.items() if need > given[name])
        each = max(1, left // len(hungry))
        for name in hungry[:left]:
            more = min(each, needs[name] - given[name])
            given[name] += more
            left -= more
    return given


def _add(parts: dict[UUID, int], needs: Mapping[UUID, int], units: int) -> None:
    for name, more in fill(units - sum(parts.values()), needs).items():
        parts[name] += more


def _guarantees(units: int, seats: Mapping[UUID, Seat], wanting: Sequence[UUID]) -> dict[UUID, int]:
    """One unit for each member, of which there may be too few: then for those who want one first."""
    there = [name for name in sorted(seats) if seats[name].shards or name in wanting]
    first = sorted(there, key=lambda name: (name not in wanting, name))[:units]
    parts = {name: int(name in first) for name in seats}
    for name, more in by_shards(units - len(first), {name: seats[name].shards for name in there}).items():
        parts[name] += more
    return parts


def _turn(units: int, wanting: Mapping[UUID, Seat], now: float) -> set[UUID]:
    """Who has a unit, where not all can."""
    waiting = sorted((seat.since, name) for name, seat in wanting.items() if not seat.held)
    holding = sorted((seat.since, name) for name, seat in wanting.items() if seat.held)
    overdue = sum(now - since >= TURN_SECONDS for since, _ in holding)
    leaving = max(len(holding) - units, min(overdue, len(wanting) - units))
    staying = holding[leaving:]
    return {name for _, name in (*staying, *waiting[: units - len(staying)])}
