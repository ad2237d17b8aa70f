"""Random histories: the breaker keeps its invariants, opens for a reason only, and never forgets a parked tenant."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors import Breaker
from runtime.core.breaker import Breakers, BreakerState

TENANTS = st.sampled_from("abc")
COUNTS = st.integers(0, 6)


class History(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.policy = Breaker(window=5, ratio=0.6, pause_seconds=4.0, max_pause_seconds=9.0)
        self.breakers = Breakers(self.policy)
        self.now = 0.0
        self.held: set[str] = set()
        self.past: dict[str, list[bool]] = {name: [] for name in "abc"}

    def _states(self) -> dict[str, BreakerState]:
        return {view.tenant: view.state for view in self.breakers.views()}

    @rule(tenant=TENANTS, succeeded=COUNTS, failed=COUNTS)
    def record(self, tenant: str, succeeded: int, failed: int) -> None:
        before = self._states().get(tenant, BreakerState.CLOSED)
        change = self.breakers.record(tenant, succeeded, failed, self.now, "away")
        if before is BreakerState.CLOSED:
            self.past[tenant] += [False] * succeeded + [True] * failed  # since the first failure it remembers
            last = self.past[tenant][-5:]
            assert (change is BreakerState.OPEN) == (len(last) == 5 and sum(last) >= 3)
        if tenant not in self._states():
            self.past[tenant] = []
        if before is BreakerState.OPEN:
            assert change is None
        if change is BreakerState.OPEN:
            self.held.add(tenant)
        elif change is BreakerState.CLOSED:
            assert succeeded > 0
            assert not failed
            self.held.discard(tenant)
            self.past[tenant] = []

    @rule(seconds=st.floats(0.0, 12.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for tenant in self.breakers.due(self.now):
            assert tenant in self.held
            self.breakers.took(tenant)

    @rule(tenant=TENANTS)
    def close(self, tenant: str) -> None:
        assert self.breakers.close(tenant) == (tenant in self.held)
        self.held.discard(tenant)
        self.past[tenant] = []

    @rule()
    def restart(self) -> None:
        self.breakers.restart(self.now)

    @invariant()
    def is_consistent(self) -> None:
        self.breakers.validate()
        states = self._states()
        assert {name for name, state in states.items() if state is not BreakerState.CLOSED} == self.held
        due = self.breakers.next_due()
        assert due is None or due <= self.now + self.policy.max_pause_seconds


TestHistory = History.TestCase
