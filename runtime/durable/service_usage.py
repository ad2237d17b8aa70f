"""Looks every second at how a service's tenants use its slots: for the tiers of fair usage, and for operators."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from actors.context import Clock
from runtime.core.fair_usage import FairUsage, Move
from runtime.core.profile import SchedulingProfile
from runtime.core.recent_use import RecentUse
from runtime.core.scheduler import Scheduler

LOGGER = logging.getLogger("postroom.fair_usage")

MOVES_KEPT = 100


class ServiceUsage:
    """One service's. `caps` are those of tenants in a lower tier, at this moment."""

    def __init__(self, service: str, profile: SchedulingProfile) -> None:
        self._tiers = None if profile.tiers is None else FairUsage(service, profile.tiers)
        self.recent = RecentUse()
        self.caps: dict[str, int] = {}
        self.moves: deque[Move] = deque(maxlen=MOVES_KEPT)
        """The last moves between tiers."""

    def observe(self, fair: Scheduler[Any], slots: int, clock: Clock) -> bool:
        """Look; whether caps have changed."""
        shares, now = list(fair.tenants()), clock.monotonic()
        self.recent.observe(now, shares)
        if self._tiers is None:
            return False
        for move in self._tiers.observe(now, clock.now(), slots, shares):
            LOGGER.warning("%s", move)
            self.moves.append(move)
        before, self.caps = self.caps, self._tiers.caps(slots)
        return self.caps != before

    def tier(self, tenant: str) -> int | None:
        """A tenant's tier, 0 the highest; None where there are no tiers."""
        return None if self._tiers is None else self._tiers.tier(tenant)
