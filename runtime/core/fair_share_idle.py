"""The idle tenants of `runtime.core.fair_share`: which are kept as they are, and what is kept of the others."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic

import msgspec

from runtime.core.fair_share_tenant import E, TenantShare, TenantState, Terms

IDLE_KEPT = 256
"""So many idle tenants are kept although they have no debt: those that come back soon keep their estimate."""


class Debt(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a tenant that used more than its share until it went idle."""

    tag: float
    estimate: float
    used_seconds: float

    def statistics(self, name: str, terms: Terms, virtual: float) -> TenantShare:
        return TenantShare(
            tenant=name,
            weight=terms.weight,
            waiting=0,
            running=0,
            slots=0,
            start_tag=self.tag,
            lag=virtual - self.tag,
            estimate_seconds=self.estimate,
            used_seconds=self.used_seconds,
        )


class IdleTenants(Generic[E]):
    """Every tenant with nothing waiting and nothing out, and some that have been busy since."""

    __slots__ = ("_debts", "_line", "_tenants")

    def __init__(self, tenants: dict[str, TenantState[E]]) -> None:
        self._tenants = tenants
        self._line: deque[TenantState[E]] = deque()
        self._debts: OrderedDict[str, Debt] = OrderedDict()

    def add(self, state: TenantState[E], virtual: float) -> None:
        """Put an idle tenant aside, unless it is, and forget some that have no debt."""
        line = self._line
        if not state.idle:
            state.idle = True
            line.append(state)
        if len(line) > IDLE_KEPT:
            self._let_go(line.popleft(), virtual)
        if self._debts:
            self._forgive(virtual)

    def recall(self, tenant: str) -> Debt | None:
        """The debt of a tenant that comes back, which is no longer idle then."""
        return self._debts.pop(tenant, None) if self._debts else None

    def debts(self) -> Iterator[tuple[str, Debt]]:
        return iter(self._debts.items())

    def _let_go(self, state: TenantState[E], virtual: float) -> None:
        state.idle = False
        if state.running or state.ready or state.held:
            return
        del self._tenants[state.name]
        if state.tag > virtual:
            self._debts[state.name] = Debt(state.tag, state.estimate, state.used_seconds)

    def _forgive(self, virtual: float) -> None:
        """Look at two debtors, as at most one joined since: in the end all of them are looked at."""
        debts = self._debts
        for _ in range(min(2, len(debts))):
            name = next(iter(debts))
            if debts[name].tag <= virtual:
                del debts[name]
            else:
                debts.move_to_end(name)

    def validate(self) -> None:
        """Raise `AssertionError` if the parts contradict each other."""
        assert sum(state.idle for state in self._tenants.values()) == len(self._line)
        assert not self._debts.keys() & self._tenants.keys()
