"""What people may ask of and do with tenants in a running app. It knows no HTTP and no terminal."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

import msgspec

from runtime.core.caps import Part
from runtime.core.explanation import Explanation
from runtime.core.fair_share_tenant import TenantShare
from runtime.core.fair_usage import Move
from runtime.core.policy import Policy, Scope
from runtime.store.policies import PolicyRecord


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant in a service of this process."""

    service: str
    share: TenantShare
    cap: int | None
    """How many slots it may fill in this process."""
    deployment_cap: int | None
    """How many in all processes, where this one has only a part of them."""
    holds: list[str]
    slots_part: float
    """Of the slots that the service fills, from 0 to 1."""
    recent_part: float
    """Of the service's recent run time."""
    tier: int | None
    """Its tier of fair usage, 0 the highest; None where that is off."""
    reenqueued: int | None
    """How many of its events flow control put at the back; None where that is off."""
    noisy: str | None
    """Why operators should look at it."""


class PolicyInForce(msgspec.Struct, frozen=True, kw_only=True):
    """What is set for a scope in all, and the part of it that people set while the app runs."""

    scope: Scope
    policy: Policy
    live: PolicyRecord | None


class QuotaUse(msgspec.Struct, frozen=True):
    """A tenant's daily quota and what it used of it in the last 24 hours, as far as it was counted."""

    quota: int
    used: int


class TenantReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one tenant."""

    tenant: str
    standings: list[Standing]
    policies: list[PolicyInForce]
    moves: list[Move]
    """Between tiers of fair usage, the last ones of each service."""
    quota: QuotaUse | None
    slots: Part | None = None
    """What it may fill in this process of its slots over all services; None where that is all of them, or no number."""


class TenantOperations(Protocol):
    def standings(self, *, service: str | None, tenant: str | None, limit: int) -> list[Standing]:
        """Those that wait or run or did so lately, those that wait the most first.

        Raises InvalidInputError, UnknownServiceError.
        """
        ...

    def report(self, tenant: str) -> TenantReport: ...

    def policies(self) -> list[PolicyInForce]:
        """What is set for every scope."""
        ...

    async def history(self, scope: Scope, limit: int) -> list[PolicyRecord]:
        """The versions of what people set for a scope, newest first."""
        ...

    async def change(
        self, scope: Scope, changes: Policy, reset: Collection[str] = (), *, by: str, reason: str | None = None
    ) -> PolicyInForce:
        """Set and reset settings of a scope; they are in force at once, on what waits already.

        Raises:
            InvalidInputError: names the setting that is out of range, or means nothing for the scope.
        """
        ...

    async def restore(self, version: int, *, by: str, reason: str | None = None) -> PolicyInForce:
        """Set what a version of a scope set, and nothing else; it becomes a new version.

        Raises:
            NotFoundError: there is no such version.
            InvalidInputError: it is of a service that this app has no more.
        """
        ...

    async def explain(self, event_id: UUID) -> Explanation:
        """Why an event waits. Raises NotFoundError."""
        ...
