"""On what terms the tenants of `runtime.core.fair_share` are served: weights, caps, holds, accounts over services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Generic

import msgspec

from actors.errors import SpecError
from actors.spec import require_positive
from runtime.core.fair_share_heap import TagHeap
from runtime.core.fair_share_idle import IdleTenants
from runtime.core.fair_share_tenant import DEFAULT_TERMS, E, TenantState, Terms
from runtime.core.slot_account import NO_CAP, SlotAccount


def nobody() -> None:
    """Where nobody needs to be woken."""


class FairShareTerms(Generic[E]):
    """The tenants of one service, and which of them may have an entry started."""

    __slots__ = (
        "_accounts",
        "_cost",
        "_default",
        "_estimate",
        "_heap",
        "_holds",
        "_idle",
        "_looked_at",
        "_tenants",
        "_terms",
        "_virtual",
        "_wake",
    )

    def __init__(self, estimate_seconds: float, slots_per_entry: int, wake: Callable[[], None]) -> None:
        self._estimate = estimate_seconds
        self._cost = slots_per_entry
        self._wake = wake
        self._tenants: dict[str, TenantState[E]] = {}
        self._terms: dict[str, Terms] = {}
        self._holds: dict[str, frozenset[str]] = {}
        self._default = DEFAULT_TERMS
        self._accounts: dict[str, SlotAccount] = {}
        self._heap: TagHeap[E] = TagHeap()
        self._idle: IdleTenants[E] = IdleTenants(self._tenants)
        self._looked_at = 0
        """The place of the tenant with which `bound` goes on."""
        self._virtual = 0.0

    def set_weight(self, tenant: str, weight: float) -> None:
        """Give `tenant` `weight` times the slot time of a tenant of weight 1, from now on; kept while it is idle.

        Entries that are out are charged at the new weight when they complete.

        Raises:
            SpecError: the weight is not a finite number above 0.
        """
        require_positive("weight", weight)
        self._terms[tenant] = msgspec.structs.replace(self._own(tenant), weight=weight)
        self._changed(tenant)

    def set_cap(self, tenant: str, slots: int | None) -> None:
        """Let `tenant` fill so many slots at once, or as many as it gets; kept while it is idle. What runs goes on.

        With 0 it may fill none for now.

        Raises:
            SpecError: the number is above 0 and below what one entry needs, so that nothing would ever run.
        """
        require_cap("slots", slots, self._cost)
        cap = NO_CAP if slots is None else slots
        self._terms[tenant] = msgspec.structs.replace(self._own(tenant), cap=cap)
        self._changed(tenant)

    def hold(self, tenant: str, reason: str) -> None:
        """Start nothing more of `tenant`, although entries may be pushed, until `release` is told the same reason.

        Kept while it is idle. Reasons are independent of each other; holding twice for one reason is holding once.
        """
        self._holds[tenant] = self._holds.get(tenant, frozenset()) | {reason}
        self._changed(tenant)

    def release(self, tenant: str, reason: str) -> None:
        """End a hold. `tenant` goes on once no other reason holds it. Safe if it was not held."""
        left = self._holds.pop(tenant, frozenset()) - {reason}
        if left:
            self._holds[tenant] = left
        self._changed(tenant)

    def set_default(self, weight: float, slots: int | None) -> None:
        """The weight and the cap of every tenant for which nothing else was set. Raises as `set_weight`, `set_cap`."""
        require_positive("weight", weight)
        require_cap("slots", slots, self._cost)
        self._default = Terms(weight, NO_CAP if slots is None else slots)
        for name in self._tenants:
            self._changed(name)

    def unset(self, tenant: str) -> None:
        """Give `tenant` the default weight and cap again. Holds stay."""
        self._terms.pop(tenant, None)
        self._changed(tenant)

    def terms(self, tenant: str) -> Terms:
        """Weight, cap and holds of a tenant, also of one that nobody has heard of."""
        holds = self._holds.get(tenant)
        return msgspec.structs.replace(self._own(tenant), holds=holds) if holds else self._own(tenant)

    def charge_to(self, tenant: str, account: SlotAccount) -> None:
        """Count the slots that `tenant` fills here on an account that other schedulers share, from now on."""
        if self._accounts.get(tenant) is account:
            return
        self._accounts[tenant] = account
        state = self._tenants.get(tenant)
        account.join(self, 0 if state is None else state.filled)
        if state is not None:
            state.account = account
            self._settle(state)

    def bound(self) -> Iterator[str]:
        """Tenants of which `is_bound` holds, those first that come after the last one an earlier call came to."""
        tenants, cost = list(self._tenants.values()), self._cost
        first = min(self._looked_at, len(tenants))
        for place in chain(range(first, len(tenants)), range(first)):
            if not tenants[place].may_start(cost):
                self._looked_at = place + 1
                yield tenants[place].name

    def is_bound(self, tenant: str) -> bool:
        """Whether a tenant may not start one entry more, for its cap, its account or a hold."""
        state = self._tenants.get(tenant)
        return state is not None and not state.may_start(self._cost)

    def ready(self, tenant: str) -> int:
        """How many entries of a tenant could be taken at once, were it not for caps and holds."""
        state = self._tenants.get(tenant)
        return 0 if state is None else len(state.ready)

    def account_full(self, tenant: str) -> bool:
        """Whether the account of a tenant has no room for one entry more."""
        account = self._accounts.get(tenant)
        return account is not None and not account.has_room(self._cost)

    def account_changed(self, tenant: str) -> None:
        """See `runtime.core.slot_account.Member`."""
        state = self._tenants.get(tenant)
        if state is not None and self._settle(state):
            self._wake()

    def _hand_over(self, successor: FairShareTerms[E]) -> None:
        """Let another scheduler serve the tenants on the same terms; the slots filled here are free."""
        successor._terms = self._terms.copy()
        successor._holds = self._holds.copy()
        successor._default = self._default
        for tenant, account in self._accounts.items():
            state = self._tenants.get(tenant)
            account.leave(self, 0 if state is None else state.filled)
            successor.charge_to(tenant, account)
        self._accounts = {}

    def _add_tenant(self, tenant: str) -> TenantState[E]:
        debt = self._idle.recall(tenant)
        if debt is None:
            state: TenantState[E] = TenantState(tenant, self._virtual, self._estimate)
        else:
            state = TenantState(tenant, debt.tag, debt.estimate)
            state.used_seconds = debt.used_seconds
        terms = self.terms(tenant)
        if terms is not DEFAULT_TERMS:
            state.set_terms(terms)
        if tenant in self._accounts:
            state.account = self._accounts[tenant]
        self._tenants[tenant] = state
        return state

    def _own(self, tenant: str) -> Terms:
        return self._terms.get(tenant, self._default)

    def _changed(self, tenant: str) -> None:
        state = self._tenants.get(tenant)
        if state is not None:
            state.set_terms(self.terms(tenant))
            self._settle(state)

    def _activate(self, state: TenantState[E]) -> None:
        """Put a tenant into the heap whose first entry is about to become ready, unless it may start nothing."""
        if state.room < self._cost or (state.account is not None and not state.account.has_room(self._cost)):
            state.parked = True
            return
        virtual = self._virtual
        if state.running:
            state.begin_period(virtual)
        elif state.tag < virtual:
            state.tag = virtual
        self._heap.add(state)

    def _settle(self, state: TenantState[E]) -> bool:
        """Put a tenant aside that may not start anything any more, or bring it back; whether it came back."""
        may_start = state.may_start(self._cost)
        if state.parked and may_start:
            state.parked = False
            self._activate(state)
            return True
        if state.ready and not state.parked and not may_start:
            state.parked = True
            self._heap.remove(state)
        return False


def require_cap(field: str, slots: int | None, least: int) -> None:
    """Raise SpecError unless a cap is None or 0, or lets at least one entry run."""
    if slots and not least <= slots <= NO_CAP:
        raise SpecError(field, f"must be 0, or between {least} and {NO_CAP:,}, not {slots}")
