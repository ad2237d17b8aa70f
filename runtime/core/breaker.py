"""Which tenants' events a service parks because most of them fail: a circuit breaker (Nygard, Release It) for each.

    closed --most of the last `window` failed--> open --after the pause--> probing --a chunk succeeded--> closed
                                                  ^                           |
                                                  +----it failed: twice the pause, up to the longest

Failures count that trying again could help: a permanent one tells of the event, not of what it needs. An event counts
as failed once, at its first attempt: else the retries of a few bad events, which come in a row, would look like an
outage. A tenant without a failure among its last `window` is not remembered at all, and one that is has to fill its
window before it is judged.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator

import msgspec

from actors.spec import Breaker


class BreakerState(enum.StrEnum):
    CLOSED = "closed"
    """Its failures are counted."""
    OPEN = "open"
    """Its events wait."""
    PROBING = "probing"
    """One chunk of its events may start, to see whether they succeed again."""


class BreakerView(msgspec.Struct, frozen=True):
    """A tenant's breaker at one moment. Times are seconds since the epoch."""

    tenant: str
    state: BreakerState
    failed: int
    """How many of the last `seen` events failed."""
    seen: int
    reason: str
    """The last failure."""
    opened_at: float | None
    try_at: float | None
    """When it is tried again, while it is open."""


class _Tenant:
    __slots__ = ("failed", "opened_at", "pause", "reason", "recent", "state", "try_at")

    def __init__(self, window: int) -> None:
        self.recent: deque[bool] = deque(maxlen=window)
        self.failed = 0
        self.state = BreakerState.CLOSED
        self.reason = ""
        self.pause = 0.0
        self.opened_at: float | None = None
        self.try_at: float | None = None

    def add(self, *, failed: bool, count: int) -> None:
        for _ in range(min(count, self.recent.maxlen or 0)):
            if len(self.recent) == self.recent.maxlen:
                self.failed -= self.recent[0]
            self.recent.append(failed)
            self.failed += failed


class Breakers:
    """The breakers of one service. Not thread-safe; `now` comes from the caller's clock."""

    __slots__ = ("_policy", "_tenants", "probing", "watching")

    def __init__(self, policy: Breaker) -> None:
        self._policy = policy
        self._tenants: dict[str, _Tenant] = {}
        self.watching = False
        """Whether successes matter to anybody."""
        self.probing: set[str] = set()
        """Tenants of which one chunk may start."""

    def record(self, tenant: str, succeeded: int, failed: int, now: float, reason: str) -> BreakerState | None:
        """Count what became of a chunk; return the state that the tenant's breaker goes to, if it changes.

        `reason` is the last failure in it.
        """
        known = self._tenants.get(tenant)
        if known is None:
            if not failed:
                return None
            known = self._tenants[tenant] = _Tenant(self._policy.window)
            self.watching = True
        if failed:
            known.reason = reason
        match known.state:
            case BreakerState.CLOSED:
                return self._count(tenant, known, succeeded, failed, now)
            case BreakerState.PROBING:
                return self._judge(tenant, known, succeeded, failed, now)
            case _:  # it was on its way when the breaker opened
                return None

    def due(self, now: float) -> list[str]:
        """Tenants whose pause is over: from now on a chunk of each may start."""
        over = [name for name, known in self._tenants.items() if known.try_at is not None and known.try_at <= now]
        for name in over:
            known = self._tenants[name]
            known.state, known.try_at = BreakerState.PROBING, None
            self.probing.add(name)
        return over

    def next_due(self) -> float | None:
        """When the next pause is over."""
        return min((known.try_at for known in self._tenants.values() if known.try_at is not None), default=None)

    def took(self, tenant: str) -> None:
        """The chunk has started that shows how a probing tenant fares."""
        self.probing.discard(tenant)

    def restart(self, now: float) -> None:
        """What had started will not be heard of: try again now."""
        self.probing.clear()
        for known in self._tenants.values():
            if known.state is BreakerState.PROBING:
                known.state, known.try_at = BreakerState.OPEN, now

    def close(self, tenant: str) -> bool:
        """Forget a tenant's failures, by somebody's order; whether its breaker was open."""
        known = self._tenants.get(tenant)
        was_open = known is not None and known.state is not BreakerState.CLOSED
        self._forget(tenant)
        return was_open

    def views(self) -> Iterator[BreakerView]:
        """Every tenant that is parked, or had a failure lately."""
        for name, known in self._tenants.items():
            yield BreakerView(
                tenant=name,
                state=known.state,
                failed=known.failed,
                seen=len(known.recent),
                reason=known.reason,
                opened_at=known.opened_at,
                try_at=known.try_at,
            )

    def validate(self) -> None:
        """Raise AssertionError if the parts contradict each other."""
        assert self.watching == bool(self._tenants)
        for name, known in self._tenants.items():
            assert known.failed == sum(known.recent)
            assert (known.try_at is not None) == (known.state is BreakerState.OPEN)
            assert (known.opened_at is None) == (known.state is BreakerState.CLOSED)
            assert name not in self.probing or known.state is BreakerState.PROBING
            if known.state is BreakerState.CLOSED:
                assert known.failed, "it has no failure to remember"
                assert not self._is_tripped(known)
            else:
                assert 0 < known.pause <= self._policy.max_pause_seconds
        assert self.probing <= self._tenants.keys()

    def _count(self, tenant: str, known: _Tenant, succeeded: int, failed: int, now: float) -> BreakerState | None:
        known.add(failed=False, count=succeeded)
        known.add(failed=True, count=failed)
        if self._is_tripped(known):
            known.pause = self._policy.pause_seconds
            return self._open(known, now)
        if not known.failed:
            self._forget(tenant)
        return None

    def _judge(self, tenant: str, known: _Tenant, succeeded: int, failed: int, now: float) -> BreakerState:
        self.probing.discard(tenant)
        if succeeded and not failed:
            self._forget(tenant)
            return BreakerState.CLOSED
        known.pause = min(known.pause * 2, self._policy.max_pause_seconds)
        return self._open(known, now)

    def _open(self, known: _Tenant, now: float) -> BreakerState:
        if known.opened_at is None:
            known.opened_at = now
        known.state, known.try_at = BreakerState.OPEN, now + known.pause
        return BreakerState.OPEN

    def _is_tripped(self, known: _Tenant) -> bool:
        return len(known.recent) == self._policy.window and known.failed >= self._policy.ratio * self._policy.window

    def _forget(self, tenant: str) -> None:
        self._tenants.pop(tenant, None)
        self.probing.discard(tenant)
        self.watching = bool(self._tenants)
