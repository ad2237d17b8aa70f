"""Which of the policies' terms a service's scheduler has been told, so that it is told only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from runtime.core.caps import Caps, of_service, of_tenant
from runtime.core.policy import EVERY_TENANT, NOTHING_SET, Scope
from runtime.core.policy_book import HOLDING, PolicyBook, Share
from runtime.core.scheduler import Scheduler
from runtime.core.slot_account import SlotAccount
from runtime.definition import ServiceDefinition


class ServiceTerms:
    """The terms of one service's tenants, with this process's parts of their caps."""

    def __init__(self, definition: ServiceDefinition, caps: Caps) -> None:
        self._service = definition.name
        self._classes = definition.classes
        self._caps = caps
        self._told: dict[str, Share] = {}
        self._default = Share()

    @property
    def slots(self) -> int | None:
        """How many slots the service may fill here; None for as many as it was registered with."""
        return self._caps.here(of_service(self._service))

    def apply(
        self,
        fair: Scheduler[Any],
        book: PolicyBook,
        accounts: Mapping[str, SlotAccount],
        tier_caps: Mapping[str, int],
    ) -> None:
        default = self._share(book, EVERY_TENANT)
        if default != self._default:
            self._default = default
            fair.set_default(default.weight, default.slots)
        named = book.tenants() | tier_caps.keys() | self._caps.divided_tenants(self._service)
        for tenant in named | self._told.keys():
            self.apply_to(tenant, fair, book, tier_caps)
            if tenant in accounts:
                fair.charge_to(tenant, accounts[tenant])

    def apply_to(self, tenant: str, fair: Scheduler[Any], book: PolicyBook, tier_caps: Mapping[str, int]) -> None:
        """Tell the terms of one tenant."""
        if self._has_own(tenant, book, tier_caps):
            share = self._within_tier(self._share(book, tenant), tier_caps.get(tenant))
            if self._told.get(tenant) != share:
                self._tell(fair, tenant, share)
                self._told[tenant] = share
        elif tenant in self._told:
            self._tell(fair, tenant, Share())
            fair.unset(tenant)
            del self._told[tenant]

    def share_out(self, fair: Scheduler[Any], slots: int, book: PolicyBook) -> None:
        """Share so many slots among the classes of work, if there are any."""
        if self._classes is not None:
            own = book.at(Scope(self._service)).guarantees
            fair.set_classes(slots, self._classes.guarantees if own is None else own)

    def _has_own(self, tenant: str, book: PolicyBook, tier_caps: Mapping[str, int]) -> bool:
        if tenant in tier_caps or tenant in book.throttled or self._caps.is_divided(of_tenant(tenant, self._service)):
            return True
        return book.at(Scope(None, tenant)) != NOTHING_SET or book.at(Scope(self._service, tenant)) != NOTHING_SET

    def _share(self, book: PolicyBook, tenant: str) -> Share:
        here = self._caps.here(of_tenant(tenant, self._service))
        return msgspec.structs.replace(book.share(self._service, tenant), slots=here)

    def _within_tier(self, share: Share, cap: int | None) -> Share:
        """At least what one event needs, so that a tier slows a tenant down and never stops it."""
        if cap is None or (share.slots is not None and share.slots <= cap):
            return share
        return msgspec.structs.replace(share, slots=max(cap, self._caps.unit(of_service(self._service))))

    @staticmethod
    def _tell(fair: Scheduler[Any], tenant: str, share: Share) -> None:
        fair.set_weight(tenant, share.weight)
        fair.set_cap(tenant, share.slots)
        for state in HOLDING:
            if state == share.hold:
                fair.hold(tenant, state)
            else:
                fair.release(tenant, state)
