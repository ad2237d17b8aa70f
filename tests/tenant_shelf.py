"""Tenants that were set up by a test, for tests of what people see."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from runtime.core.caps import Part
from runtime.core.explanation import Explanation, Reason
from runtime.core.fair_share_tenant import TenantShare
from runtime.core.policy import NOTHING_SET, Policy, Scope
from runtime.errors import InvalidInputError, NotFoundError
from runtime.store.policies import PolicyRecord
from runtime.tenants import PolicyInForce, QuotaUse, Standing, TenantReport

SHARE = TenantShare(
    tenant="acme",
    weight=2.0,
    waiting=1200,
    running=3,
    slots=3,
    start_tag=5.0,
    lag=-0.25,
    estimate_seconds=0.01,
    used_seconds=60.0,
)
STANDING = Standing(
    service="arrivals",
    share=SHARE,
    cap=4,
    deployment_cap=10,
    holds=["paused"],
    slots_part=0.75,
    recent_part=0.9,
    tier=None,
    reenqueued=None,
    noisy="fills 3 of 4 slots in use",
)


class TenantShelf:
    def __init__(self) -> None:
        self.standing = [STANDING]
        self.records: list[PolicyRecord] = []
        self.explanations: dict[UUID, Explanation] = {}

    def standings(self, *, service: str | None, tenant: str | None, limit: int) -> list[Standing]:
        found = [one for one in self.standing if service in {None, one.service} and tenant in {None, one.share.tenant}]
        return found[:limit]

    def report(self, tenant: str) -> TenantReport:
        policies = [self._in_force(Scope(None, tenant))]
        standings = self.standings(service=None, tenant=tenant, limit=50)
        return TenantReport(
            tenant=tenant,
            standings=standings,
            policies=policies,
            moves=[],
            quota=QuotaUse(250_000, 17),
            slots=Part(4, 12),
        )

    def policies(self) -> list[PolicyInForce]:
        return [self._in_force(record.scope) for record in self.records]

    async def history(self, scope: Scope, limit: int) -> list[PolicyRecord]:
        return [record for record in reversed(self.records) if record.scope == scope][:limit]

    async def restore(self, version: int, *, by: str, reason: str | None = None) -> PolicyInForce:
        if not 1 <= version <= len(self.records):
            raise NotFoundError(f"no version {version}")
        found = self.records[version - 1]
        self.records.append(PolicyRecord(len(self.records) + 1, found.scope, found.policy, 1_700_000_000.0, by, reason))
        return self._in_force(found.scope)

    async def change(
        self, scope: Scope, changes: Policy, reset: Collection[str] = (), *, by: str, reason: str | None = None
    ) -> PolicyInForce:
        if changes.weight is not None and changes.weight <= 0:
            raise InvalidInputError("weight", "must be a finite number above 0")
        kept = dict.fromkeys(reset)
        policy = changes.over(Policy(**kept))
        self.records.append(PolicyRecord(len(self.records) + 1, scope, policy, 1_700_000_000.0, by, reason))
        return self._in_force(scope)

    async def explain(self, event_id: UUID) -> Explanation:
        if event_id not in self.explanations:
            raise NotFoundError(f"no job has the id {event_id}")
        return self.explanations[event_id]

    def hold(self, event_id: UUID) -> None:
        """Let an event wait, for a reason."""
        self.explanations[event_id] = Explanation(
            id=event_id,
            service="arrivals",
            tenant="acme",
            key="N1",
            status="queued",
            place=7,
            share=SHARE,
            reasons=[Reason("tenant-cap", "its tenant may fill 3 slots, and fills 3")],
            expected_seconds=0.5,
        )

    def _in_force(self, scope: Scope) -> PolicyInForce:
        live = next((record for record in reversed(self.records) if record.scope == scope), None)
        return PolicyInForce(scope=scope, policy=NOTHING_SET if live is None else live.policy, live=live)
