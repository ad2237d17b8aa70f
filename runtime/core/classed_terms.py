"""On what terms the tenants of `runtime.core.classed_share` are served: the same in the fair share of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Generic

import msgspec

from runtime.core.fair_share import FairShare
from runtime.core.fair_share_tenant import E, Terms
from runtime.core.fair_share_terms import require_cap
from runtime.core.interleave import interleave
from runtime.core.slot_account import NO_CAP, SlotAccount

AT_CAP = "at its cap"
"""For what reason a tenant is held in the fair share of each class while it fills all the slots that it may."""


class ClassedTerms(Generic[E]):
    """The terms of tenants over all classes. A tenant's cap counts what it fills in all of them."""

    __slots__ = ("_at_cap", "_caps", "_cost", "_default_cap", "_filled", "_shares")

    def __init__(self, shares: Sequence[FairShare[E]], slots_per_entry: int) -> None:
        self._shares = shares
        self._cost = slots_per_entry
        self._caps: dict[str, int] = {}
        self._default_cap = NO_CAP
        self._filled: Counter[str] = Counter()
        self._at_cap: set[str] = set()

    def set_weight(self, tenant: str, weight: float) -> None:
        for share in self._shares:
            share.set_weight(tenant, weight)

    def set_cap(self, tenant: str, slots: int | None) -> None:
        require_cap("slots", slots, self._cost)
        self._caps[tenant] = NO_CAP if slots is None else slots
        self._look_at_cap(tenant)

    def set_default(self, weight: float, slots: int | None) -> None:
        require_cap("slots", slots, self._cost)
        self._default_cap = NO_CAP if slots is None else slots
        for share in self._shares:
            share.set_default(weight, None)
        for tenant in self._at_cap | {each.tenant for share in self._shares for each in share.tenants()}:
            self._look_at_cap(tenant)

    def unset(self, tenant: str) -> None:
        self._caps.pop(tenant, None)
        for share in self._shares:
            share.unset(tenant)
        self._look_at_cap(tenant)

    def hold(self, tenant: str, reason: str) -> None:
        for share in self._shares:
            share.hold(tenant, reason)

    def release(self, tenant: str, reason: str) -> None:
        for share in self._shares:
            share.release(tenant, reason)

    def terms(self, tenant: str) -> Terms:
        terms = self._shares[0].terms(tenant)
        return msgspec.structs.replace(terms, cap=self._cap(tenant), holds=terms.holds - {AT_CAP})

    def charge_to(self, tenant: str, account: SlotAccount) -> None:
        for share in self._shares:
            share.charge_to(tenant, account)

    def account_full(self, tenant: str) -> bool:
        return self._shares[0].account_full(tenant)

    def bound(self) -> Iterator[str]:
        return interleave(share.bound() for share in self._shares)

    def is_bound(self, tenant: str) -> bool:
        return any(share.is_bound(tenant) for share in self._shares)

    def ready(self, tenant: str) -> int:
        return sum(share.ready(tenant) for share in self._shares)

    def _cap(self, tenant: str) -> int:
        return self._caps.get(tenant, self._default_cap)

    def _fill(self, tenant: str) -> None:
        self._filled[tenant] += self._cost
        self._look_at_cap(tenant)

    def _free(self, tenant: str, slots: int) -> None:
        self._filled[tenant] -= slots
        if not self._filled[tenant]:
            del self._filled[tenant]
        self._look_at_cap(tenant)

    def _look_at_cap(self, tenant: str) -> None:
        full = self._filled[tenant] + self._cost > self._cap(tenant)
        if full and tenant not in self._at_cap:
            self._at_cap.add(tenant)
            self.hold(tenant, AT_CAP)
        elif not full and tenant in self._at_cap:
            self._at_cap.remove(tenant)
            self.release(tenant, AT_CAP)
