"""Which settings apply: those of the app and its file, with those that people changed while it runs laid over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from runtime.core.policy import EVERY_TENANT, EVERYTHING, NOTHING_SET, Policy, Scope, State

HOLDING: tuple[State, ...] = ("paused", "quarantined")
THROTTLED_SLOTS = 1
"""What a tenant over its daily quota may fill in each service, where its overflow is throttled."""
THROTTLED = "throttled: over the daily quota"


class Share(msgspec.Struct, frozen=True):
    """What the fair share of one service needs to know of a tenant."""

    weight: float = 1.0
    slots: int | None = None
    hold: str | None = None
    """Why nothing is started."""


class PolicyBook:
    """Every policy by its scope."""

    def __init__(self, base: Mapping[Scope, Policy]) -> None:
        self._base = dict(base)
        self._live: Mapping[Scope, Policy] = {}
        self._merged: dict[Scope, Policy] = dict(base)
        self.throttled: frozenset[str] = frozenset()
        """Tenants whose overflow is throttled now."""

    def set_live(self, live: Mapping[Scope, Policy]) -> None:
        """Replace all that people changed."""
        self._live = live
        self._merged = dict(self._base)
        for scope, policy in live.items():
            self._merged[scope] = policy.over(self._base.get(scope, NOTHING_SET))

    def at(self, scope: Scope) -> Policy:
        """What is set for exactly that scope."""
        return self._merged.get(scope, NOTHING_SET)

    def base(self, scope: Scope) -> Policy:
        """What the app or its file sets for exactly that scope."""
        return self._base.get(scope, NOTHING_SET)

    def scopes(self) -> Iterator[Scope]:
        """Every scope for which anything is set."""
        return (scope for scope, policy in self._merged.items() if policy != NOTHING_SET)

    def tenants(self) -> set[str]:
        """Every tenant for which anything is set by its name."""
        named = {scope.tenant for scope in self._merged if scope.tenant is not None}
        return (named | self.throttled) - {EVERY_TENANT}

    def of_tenant(self, tenant: str) -> Policy:
        """A tenant's settings over all services, those for each tenant included."""
        own = self.at(Scope(None, tenant))
        return own.over(msgspec.structs.replace(self.at(Scope(None, EVERY_TENANT)), slots=None))

    def share(self, service: str, tenant: str) -> Share:
        """A tenant's terms in a service. With `*` as the tenant, those of each that is not named."""
        own = [self.at(Scope(service, tenant)), self.at(Scope(None, tenant))]
        every = [self.at(Scope(service, EVERY_TENANT)), self.at(Scope(None, EVERY_TENANT))]
        weight = next((policy.weight for policy in (*own, *every) if policy.weight is not None), 1.0)
        slots = next((policy.slots for policy in (own[0], *every) if policy.slots is not None), None)
        if tenant in self.throttled:
            slots = THROTTLED_SLOTS
        hold = next((policy.state for policy in own if policy.state in HOLDING), None)
        return Share(weight, slots, hold)

    def service_hold(self, service: str) -> str | None:
        """Why nothing of a service is started."""
        policies = (self.at(Scope(service, None)), self.at(EVERYTHING))
        return next((policy.state for policy in policies if policy.state in HOLDING), None)

    def refusal(self, service: str, tenant: str) -> tuple[Scope, Literal["draining", "quarantined"]] | None:
        """Which scope refuses events of a tenant for a service, and its state."""
        for scope in scopes_of(service, tenant):
            state = self.at(scope).state
            if state == "draining" or state == "quarantined":  # noqa: PLR1714 # so that the type is seen
                return scope, state
        return None


def scopes_of(service: str, tenant: str) -> tuple[Scope, Scope, Scope, Scope]:
    """The scopes that an event lies in, the most specific first."""
    return Scope(service, tenant), Scope(None, tenant), Scope(service, None), EVERYTHING
