"""How much of a service's run time each tenant had lately, and whether that makes it a noisy one."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.core.fair_share_tenant import TenantShare

HALF_LIFE_SECONDS = 30.0
FORGOTTEN_SECONDS = 1e-3
NOISY_PART = 0.5
"""A tenant is noisy that has at least this part of the slots in use, or of the recent run time, while others wait."""


class RecentUse:
    """Run time by tenant, of which half is forgotten every 30 s. Fed with samples of the schedulers' standings."""

    __slots__ = ("_at", "_recent", "_seen")

    def __init__(self) -> None:
        self._at = 0.0
        self._seen: dict[str, float] = {}
        self._recent: dict[str, float] = {}

    def observe(self, now: float, shares: Iterable[TenantShare]) -> None:
        """Note how much each tenant has used up to a monotonic time."""
        kept = 0.5 ** ((now - self._at) / HALF_LIFE_SECONDS)
        self._at = now
        recent = {tenant: used * kept for tenant, used in self._recent.items() if used * kept > FORGOTTEN_SECONDS}
        seen: dict[str, float] = {}
        for share in shares:
            seen[share.tenant] = used = share.used_seconds
            before = self._seen.get(share.tenant, 0.0)
            if used != before:  # a tenant that was forgotten meanwhile starts from nothing
                recent[share.tenant] = recent.get(share.tenant, 0.0) + (used - before if used > before else used)
        self._seen, self._recent = seen, recent

    def part(self, tenant: str) -> float:
        """A tenant's part of the recent run time, from 0 to 1."""
        total = sum(self._recent.values())
        return self._recent.get(tenant, 0.0) / total if total else 0.0


def noisy_reason(share: TenantShare, *, filled: int, recent_part: float, others_waiting: int) -> str | None:
    """Why operators should look at a tenant, or None. `filled` counts the slots that all tenants fill."""
    part = share.slots / filled if filled else 0.0
    if not others_waiting or max(part, recent_part) < NOISY_PART:
        return None
    return (
        f"fills {share.slots:,} of {filled:,} slots in use ({part:.0%}) and had {recent_part:.0%} of the recent run"
        f" time, while {others_waiting:,} {'tenant waits' if others_waiting == 1 else 'tenants wait'}"
    )
