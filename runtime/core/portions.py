"""What of a deployment's limits this process may use, and the rules by which processes agree on it.

Each member states what it holds of a limit, in one row that all of them can read. What it has not stated of a limit is
its part by the shards that it has stated, rounded down: so idle limits cost nothing, and the parts of all members make
no more than the whole, whichever of them state anything.

    read what all state -> use less where there is too much -> state what is held and wanted -> use more

A statement counts only if nobody has stated anything since the reading, and nothing more is used before it counts. By
induction all that is held of a limit is never more than the limit, except for what runs already when it is set lower.
What a member holds is what it may use or, where that is more, what it still uses: nothing that runs is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import msgspec

from runtime.core.division import Seat, divide
from runtime.core.lease import DEFAULT_SHARDS
from runtime.core.policy import Scope

RATE_UNITS = 100 * DEFAULT_SHARDS
"""Into how many parts a rate is divided."""


class Limit(msgspec.Struct, frozen=True, array_like=True):
    """Something that a policy limits for the deployment. A tenant is one by its name."""

    kind: Literal["slots", "rate"]
    service: str | None = None
    tenant: str | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.service, self.tenant)


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What a member states of a limit, in units. `since` is when it began to hold or want any, or ceased to."""

    held: int
    wanted: int
    since: float


NO_CLAIM = Claim(0, 0, 0.0)


class Statement(msgspec.Struct, frozen=True):
    """What a member states: by how many shards it counts, and the limits of which it does not hold its part by them."""

    shards: int = 0
    claims: Mapping[Limit, Claim] = {}

    def held(self, limit: Limit, units: int, total: int) -> int:
        claim = self.claims.get(limit)
        return units * self.shards // total if claim is None else claim.held


class Demand(msgspec.Struct, frozen=True):
    """Of a limit with so many units: how many are in use here, and how many would be if it were up to this process."""

    units: int
    filled: int
    wanted: int
    gives_way: bool = False
    """Whether no more than its part by shards is wanted for now, so that others can ask for theirs."""


class Portions:
    """What this process may use: everything, unless told otherwise."""

    def __init__(self, shards: int = DEFAULT_SHARDS, total: int = DEFAULT_SHARDS) -> None:
        self.total = total
        self.shards = shards
        self.parts: dict[Limit, int] = {}
        """Of limits of which it is not the part by shards."""

    @property
    def whole(self) -> bool:
        """Whether this process may use all there is of every limit."""
        return self.shards == self.total and not self.parts

    def units(self, limit: Limit, units: int) -> int:
        """How many of a limit's units this process may use."""
        part = self.parts.get(limit)
        return units * self.shards // self.total if part is None else min(part, units)

    def slots(self, limit: Limit, cap: int, unit: int = 1) -> int:
        """How many slots of a cap this process may fill, in multiples of `unit`, which an event needs."""
        units = cap // unit
        part = self.units(limit, units)
        return cap if part == units else part * unit

    def rate_part(self, scope: Scope) -> float:
        """The part of a rate, from 0 to 1."""
        return self.units(Limit("rate", scope.service, scope.tenant), RATE_UNITS) / RATE_UNITS

    def use(self, shards: int, parts: Mapping[Limit, int]) -> None:
        """Use what was agreed."""
        self.shards = shards
        self.parts = dict(parts)


class Plan(msgspec.Struct, frozen=True):
    """What a member should state, and what it may use once it has."""

    statement: Statement
    parts: Mapping[Limit, int]


def plan(
    own: UUID,
    stated: Mapping[UUID, Statement],
    demands: Mapping[Limit, Demand],
    *,
    owned: int,
    total: int,
    now: float,
) -> Plan:
    """What the member `own` should state next, which owns so many shards of `total`.

    `demands` are those of every limit that is stated by anyone, as far as it is set here, and of others of which this
    member wants more than its part. `now` is the store's time, in seconds.
    """
    before = stated.get(own, Statement())
    others = {name: each for name, each in stated.items() if name != own}
    shards = min(owned, max(before.shards, total - sum(each.shards for each in others.values())))
    claims: dict[Limit, Claim] = {}
    parts: dict[Limit, int] = {}
    for limit, demand in demands.items():
        units, last = demand.units, before.claims.get(limit, NO_CLAIM)
        seats = {name: _seat(each, limit, units, total) for name, each in others.items()}
        due = units * shards // total
        wanted = min(demand.wanted, due if demand.gives_way else units)
        seats[own] = Seat(shards, before.held(limit, units, total), wanted, min(last.since or now, now))
        contested = any(seat.wanted > units * seat.shards // total for seat in seats.values())
        target = divide(units, seats, now)[own] if contested else due
        part = max(0, min(target, units - sum(seat.held for name, seat in seats.items() if name != own)))
        claim = _claim(last, max(part, demand.filled), seats[own].wanted, now)
        if not (part == claim.held == due and (claim.wanted == 0 or not contested)):
            claims[limit] = claim
            parts[limit] = part
    return Plan(Statement(shards, claims), parts)


def _seat(statement: Statement, limit: Limit, units: int, total: int) -> Seat:
    claim = statement.claims.get(limit, NO_CLAIM)
    return Seat(statement.shards, statement.held(limit, units, total), claim.wanted, claim.since)


def _claim(last: Claim, held: int, wanted: int, now: float) -> Claim:
    """The next one. Where the store's clock was set back, nothing is since a time that is still to come."""
    unchanged = (last.held > 0, last.wanted > 0) == (held > 0, wanted > 0)
    return Claim(held, wanted, min(last.since, now) if unchanged and last.since else now)
