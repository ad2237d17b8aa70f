"""Tenants for people: how they stand, what is set for them, why an event of theirs waits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from uuid import UUID

import msgspec

from runtime.core.caps import APP, Caps, Part, of_service, of_tenant
from runtime.core.explanation import Explanation, Facts, Level, Owner, expected_seconds, reasons
from runtime.core.lease import DEFAULT_SHARDS, shard_of
from runtime.core.limits import Limits
from runtime.core.policy import Policy, Scope
from runtime.core.policy_book import PolicyBook
from runtime.core.portions import Limit
from runtime.core.recent_use import noisy_reason
from runtime.core.slot_account import NO_CAP
from runtime.durable.admission import require_name
from runtime.durable.policy_keeper import PolicyKeeper
from runtime.durable.service import Service
from runtime.durable.service_facts import facts_of
from runtime.errors import InvalidInputError, UnknownServiceError
from runtime.job_operations import JobOperations
from runtime.machinery import Machinery
from runtime.operations import MAX_PAGE
from runtime.store.job_records import ENDED, JobView
from runtime.store.policies import PolicyRecord
from runtime.tenants import PolicyInForce, QuotaUse, Standing, TenantReport

MAX_REASON_CHARACTERS = 2000


class TenantDesk:
    """See `runtime.tenants.TenantOperations`."""

    def __init__(
        self, machinery: Machinery, keeper: PolicyKeeper, book: PolicyBook, limits: Limits, jobs: JobOperations
    ) -> None:
        self._machinery = machinery
        self._keeper = keeper
        self._book = book
        self._limits = limits
        self._jobs = jobs

    def standings(self, *, service: str | None, tenant: str | None, limit: int) -> list[Standing]:
        _require_limit(limit)
        if service is not None and service not in self._machinery.services:
            raise UnknownServiceError(f"no service is named {service!r}")
        found = [
            standing
            for each in self._services()
            if service in {None, each.name}
            for standing in _standings(each, tenant, self._machinery.caps)
        ]
        found.sort(key=lambda one: (-one.share.waiting, -one.share.running, one.share.tenant, one.service))
        return found[:limit]

    def report(self, tenant: str) -> TenantReport:
        require_name("tenant", tenant)
        moves = [move for each in self._services() for move in each.usage.moves if move.tenant == tenant]
        policies = [each for each in self.policies() if each.scope.tenant == tenant]
        standings = self.standings(service=None, tenant=tenant, limit=MAX_PAGE)
        return TenantReport(
            tenant=tenant,
            standings=standings,
            policies=policies,
            moves=moves,
            quota=self._quota(tenant),
            slots=self._machinery.caps.part(of_tenant(tenant)),
        )

    def policies(self) -> list[PolicyInForce]:
        return [self._in_force(scope) for scope in sorted(self._book.scopes(), key=str)]

    async def history(self, scope: Scope, limit: int) -> list[PolicyRecord]:
        _require_limit(limit)
        return await self._keeper.history(scope, limit)

    async def change(
        self, scope: Scope, changes: Policy, reset: Collection[str] = (), *, by: str, reason: str | None = None
    ) -> PolicyInForce:
        if scope.tenant is not None:
            require_name("tenant", scope.tenant)
        _require_person(by, reason)
        await self._keeper.change(scope, changes, reset, by=by, reason=reason)
        return self._in_force(scope)

    async def restore(self, version: int, *, by: str, reason: str | None = None) -> PolicyInForce:
        _require_person(by, reason)
        restored = await self._keeper.restore(version, by=by, reason=reason)
        return self._in_force(restored.scope)

    async def explain(self, event_id: UUID) -> Explanation:
        job = await self._jobs.job(event_id)
        event = job.event
        waits = job.status not in {*ENDED, "processing"}
        facts = await self._facts(job) if waits else None
        return Explanation(
            id=event.id,
            service=event.service,
            tenant=event.tenant,
            key=event.key,
            status=job.status,
            place=facts.ahead + 1 if facts and facts.loaded and facts.owned and facts.due_in is None else None,
            share=facts.share if facts else None,
            reasons=list(reasons(facts)) if facts else [],
            expected_seconds=expected_seconds(facts) if facts else None,
            work_class=facts.work_class if facts else None,
            elsewhere=facts.elsewhere if facts else None,
        )

    async def _facts(self, job: JobView) -> Facts:
        event = job.event
        due_in = None if job.due_at is None else job.due_at - self._machinery.clock.now()
        shard = shard_of(event.tenant, event.key, DEFAULT_SHARDS, event.id)
        is_own = shard in self._machinery.backlog.shards
        service = self._machinery.services.get(event.service)
        if service is None or service.life is None:
            return Facts(owned=False, due_in=due_in, elsewhere=None if is_own else await self._owner(shard))
        facts = facts_of(
            service.fair,
            service.slots,
            event.tenant,
            lambda entry: entry.event.id == event.id,
            slots_per_event=service.definition.slots_per_event,
            recording=service.journal.saturated,
        )
        owned = facts.loaded or is_own
        throttled = event.tenant in self._book.throttled
        parts = _parts(self._machinery.caps, event.service, event.tenant)
        elsewhere = None if owned else await self._owner(shard)
        return msgspec.structs.replace(
            facts,
            owned=owned,
            elsewhere=elsewhere,
            due_in=due_in,
            throttled=throttled,
            tier=self._tier(service, event.tenant, facts.cap),
            parts=parts,
            wider_cap=_least(self._machinery.caps.here(APP), self._machinery.caps.here(of_tenant(event.tenant))),
        )

    def _tier(self, service: Service, tenant: str, cap: int) -> int:
        """The tier of a tenant if it is why its cap is no larger."""
        own = self._machinery.caps.here(of_tenant(tenant, service.name))
        return (service.usage.tier(tenant) or 0) if own is None or cap < own else 0

    async def _owner(self, shard: int) -> Owner | None:
        members = await self._machinery.store.members()
        return next((Owner(each.label, each.url) for each in members if shard in each.shards and not each.ended), None)

    def _services(self) -> Collection[Service]:
        return self._machinery.services.values()

    def _quota(self, tenant: str) -> QuotaUse | None:
        quota = self._book.of_tenant(tenant).quota
        if quota is None:
            return None
        day = self._limits.days.get(tenant)
        return QuotaUse(quota, 0 if day is None else day.used(self._machinery.clock.now()))

    def _in_force(self, scope: Scope) -> PolicyInForce:
        return PolicyInForce(scope=scope, policy=self._book.at(scope), live=self._keeper.live(scope))


def _require_person(by: str, reason: str | None) -> None:
    require_name("by", by)
    if reason is not None and len(reason) > MAX_REASON_CHARACTERS:
        raise InvalidInputError("reason", f"has {len(reason)} characters; the limit is {MAX_REASON_CHARACTERS}")


def _least(*caps: int | None) -> int:
    return min((cap for cap in caps if cap is not None), default=NO_CAP)


def _parts(caps: Caps, service: str, tenant: str) -> dict[Level, Part]:
    limits: dict[Level, Limit] = {
        "tenant": of_tenant(tenant, service),
        "account": of_tenant(tenant),
        "service": of_service(service),
        "app": APP,
    }
    found = {level: caps.part(limit) for level, limit in limits.items()}
    return {level: part for level, part in found.items() if part is not None}


def _standings(service: Service, tenant: str | None, caps: Caps) -> Iterator[Standing]:
    fair, filled = service.fair, service.slots.filled * service.definition.slots_per_event
    shares = [share for share in fair.tenants() if share.waiting or share.running or share.used_seconds]
    waiting = sum(share.waiting > 0 for share in shares)
    for share in shares:
        if tenant not in {None, share.tenant}:
            continue
        terms, part = fair.terms(share.tenant), service.usage.recent.part(share.tenant)
        others = waiting - (share.waiting > 0)
        cap_part = caps.part(of_tenant(share.tenant, service.name))
        yield Standing(
            service=service.name,
            share=share,
            cap=None if terms.cap == NO_CAP else terms.cap,
            deployment_cap=None if cap_part is None else cap_part.of,
            holds=sorted(terms.holds),
            slots_part=share.slots / filled if filled else 0.0,
            recent_part=part,
            tier=service.usage.tier(share.tenant),
            reenqueued=fair.put_back(share.tenant),
            noisy=noisy_reason(share, filled=filled, recent_part=part, others_waiting=others),
        )


def _require_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInputError("limit", f"must be between 1 and {MAX_PAGE}, not {limit}")
