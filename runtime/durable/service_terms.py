"""Which of the policies' terms a service's scheduler has been told, so that it is told only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from runtime.core.fair_share import FairShare
from runtime.core.policy import EVERY_TENANT
from runtime.core.policy_book import HOLDING, PolicyBook, Share
from runtime.core.slot_account import SlotAccount
from runtime.definition import ServiceDefinition


class ServiceTerms:
    """The terms of one service's tenants."""

    def __init__(self, definition: ServiceDefinition) -> None:
        self._service = definition.name
        self._cost = definition.slots_per_event
        self._told: dict[str, Share] = {}
        self._default = Share()

    def apply(
        self,
        fair: FairShare[Any],
        book: PolicyBook,
        accounts: Mapping[str, SlotAccount],
        tier_caps: Mapping[str, int],
    ) -> None:
        default = book.share(self._service, EVERY_TENANT)
        if default != self._default:
            self._default = default
            fair.set_default(default.weight, self._cap(default))
        named = book.tenants() | tier_caps.keys()
        for tenant in self._told.keys() - named:
            self._tell(fair, tenant, Share())
            fair.unset(tenant)
            del self._told[tenant]
        for tenant in named:
            share = _within_tier(book.share(self._service, tenant), tier_caps.get(tenant))
            if self._told.get(tenant) != share:
                self._tell(fair, tenant, share)
                self._told[tenant] = share
            if tenant in accounts:
                fair.charge_to(tenant, accounts[tenant])

    def _tell(self, fair: FairShare[Any], tenant: str, share: Share) -> None:
        fair.set_weight(tenant, share.weight)
        fair.set_cap(tenant, self._cap(share))
        for state in HOLDING:
            if state == share.hold:
                fair.hold(tenant, state)
            else:
                fair.release(tenant, state)

    def _cap(self, share: Share) -> int | None:
        """At least what one event needs, so that a cap slows a tenant down and never stops it."""
        return None if share.slots is None else max(share.slots, self._cost)


def _within_tier(share: Share, cap: int | None) -> Share:
    if cap is None or (share.slots is not None and share.slots <= cap):
        return share
    return msgspec.structs.replace(share, slots=cap)
