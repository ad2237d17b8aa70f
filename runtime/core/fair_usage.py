"""Fair usage: a tenant that dominates a service while others wait moves to a lower tier, and back up when that ends.

How many tiers there are and what each allows is not published anywhere; the numbers here are our own, and settings.
A tier's cap holds only while others wait: without them a tenant may use every slot, whatever its tier.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from actors.errors import SpecError
from actors.spec import require_positive
from runtime.core.fair_share_tenant import TenantShare

DEFAULT_PARTS = (0.5, 0.25, 0.1)


class Tiers(msgspec.Struct, frozen=True, kw_only=True):
    """`parts` are the parts of a service's slots that a tenant may fill in each tier while others wait.

    A tenant that fills more than its part for `down_seconds` without a break, while others wait, moves one tier down;
    each `up_seconds` without others waiting take it one up. The second is longer, so that it does not flap.

    Raises:
        SpecError: the parts do not go down from at most 1 to above 0, or a time is not above 0.
    """

    parts: tuple[float, ...] = DEFAULT_PARTS
    down_seconds: float = 5.0
    up_seconds: float = 15.0

    def __post_init__(self) -> None:
        bounds = (1.0, *self.parts)
        if not self.parts or any(not 0 < low <= high for high, low in zip(bounds, self.parts, strict=False)):
            raise SpecError("parts", f"must go down from at most 1 to above 0, not {self.parts}")
        require_positive("down_seconds", self.down_seconds)
        require_positive("up_seconds", self.up_seconds)

    def slots(self, tier: int, total: int) -> int:
        """What a tenant of a tier may fill, at least one."""
        return max(1, math.floor(self.parts[tier] * total))


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's move to another tier (0 is the highest), with the figures that caused it."""

    service: str
    tenant: str
    at: float
    from_tier: int
    to_tier: int
    slots: int
    """Slots that it filled."""
    of_slots: int
    tenants_waiting: int
    """Other tenants that waited."""
    seconds: float
    """For how long that had been so."""

    def __str__(self) -> str:
        what = f"filled {self.slots} of {self.of_slots} slots while {self.tenants_waiting} others waited"
        if self.to_tier < self.from_tier:
            what = "nobody else waited"
        moved = f"from tier {self.from_tier} to {self.to_tier}"
        return f"tenant {self.tenant} in {self.service} moves {moved}: for {self.seconds:.1f} s {what}"


class _Place(msgspec.Struct):
    tier: int = 0
    dominates_since: float | None = None
    quiet_since: float | None = None


class FairUsage:
    """The tiers of one service's tenants. Looked at now and then; times are monotonic seconds."""

    def __init__(self, service: str, tiers: Tiers) -> None:
        self._service = service
        self._tiers = tiers
        self._places: dict[str, _Place] = {}
        self._waiting: set[str] = set()

    def tier(self, tenant: str) -> int:
        place = self._places.get(tenant)
        return 0 if place is None else place.tier

    def caps(self, total: int) -> dict[str, int]:
        """How many slots each tenant may fill that is in a lower tier, while one waits that is not.

        Where all that wait are in lower tiers, none of them is capped: slots would stay empty.
        """
        lower = {tenant for tenant, place in self._places.items() if place.tier}
        if not self._waiting - lower:
            return {}
        return {tenant: self._tiers.slots(self._places[tenant].tier, total) for tenant in lower}

    def observe(self, now: float, at: float, total: int, shares: Iterable[TenantShare]) -> list[Move]:
        """Note who fills how many of `total` slots, and who waits; the moves that follow. `at` is the time in UTC."""
        known = {share.tenant: share for share in shares}
        self._waiting = {tenant for tenant, share in known.items() if share.waiting}
        moves: list[Move] = []
        for tenant in known.keys() | self._places.keys():
            share = known.get(tenant)
            others = len(self._waiting - {tenant})
            move = self._look(now, tenant, 0 if share is None else share.slots, total, others)
            if move is not None:
                moves.append(msgspec.structs.replace(move, at=at))
        return moves

    def _look(self, now: float, tenant: str, slots: int, total: int, others: int) -> Move | None:
        place = self._places.get(tenant, _Place())
        dominates = others > 0 and self._exceeds(place.tier, slots, total)
        place.dominates_since = _since(place.dominates_since, now) if dominates else None
        place.quiet_since = _since(place.quiet_since, now) if place.tier and not others else None
        move = None
        if place.dominates_since is not None and now - place.dominates_since >= self._tiers.down_seconds:
            move = self._move(place, tenant, 1, now - place.dominates_since, slots, total, others)
            place.dominates_since = None
        elif place.quiet_since is not None and now - place.quiet_since >= self._tiers.up_seconds:
            move = self._move(place, tenant, -1, now - place.quiet_since, slots, total, others)
            place.quiet_since = now
        if place == _Place():
            self._places.pop(tenant, None)
        else:
            self._places[tenant] = place
        return move

    def _exceeds(self, tier: int, slots: int, total: int) -> bool:
        """Whether a tenant that could be in a lower tier fills more than its part; in a lower one, all it may."""
        allowed = self._tiers.slots(tier, total)
        return tier + 1 < len(self._tiers.parts) and (slots > allowed or (tier > 0 and slots == allowed))

    def _move(self, place: _Place, tenant: str, by: int, seconds: float, slots: int, total: int, others: int) -> Move:
        before, place.tier = place.tier, place.tier + by
        if not place.tier:
            place.quiet_since = None
        return Move(
            service=self._service,
            tenant=tenant,
            at=0.0,
            from_tier=before,
            to_tier=place.tier,
            slots=slots,
            of_slots=total,
            tenants_waiting=others,
            seconds=seconds,
        )


def _since(began: float | None, now: float) -> float:
    return now if began is None else began
