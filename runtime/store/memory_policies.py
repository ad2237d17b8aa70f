"""`runtime.store.policies.PolicyStore` in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import msgspec

from runtime.core.policy import NOTHING_SET, Scope
from runtime.store.memory_audit import MemoryAudit
from runtime.store.memory_outbox import MemoryOutbox
from runtime.store.memory_portions import MemoryPortions
from runtime.store.memory_schedules import MemorySchedules
from runtime.store.policies import Bundle, Hours, PolicyChange, PolicyRecord, noted


class MemoryPolicies:
    """What several stores share, as several processes share a database."""

    def __init__(
        self,
        waiting: Callable[[Scope], Iterator[int]],
        outbox: MemoryOutbox,
        audit: MemoryAudit,
        portions: MemoryPortions,
        schedules: MemorySchedules,
    ) -> None:
        self._waiting = waiting
        self._outbox = outbox
        self._audit = audit
        self.portions = portions
        self._schedules = schedules
        self._records: list[PolicyRecord] = []
        self._usage: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))

    async def change(self, change: PolicyChange, *, by: str, at: float, reason: str | None) -> PolicyRecord:
        self._audit.add([noted(change, by=by, at=at, reason=reason)])
        return self._lay(change, by, at, reason)

    async def take_in(self, bundle: Bundle) -> None:
        self._schedules.write(bundle.schedules, bundle.max_schedules)
        for change in bundle.changes:
            self._lay(change, bundle.by, bundle.at, bundle.reason)
        for posted in bundle.posted:
            self._outbox.add(posted)
        self._audit.add(bundle.audits)

    def _lay(self, change: PolicyChange, by: str, at: float, reason: str | None) -> PolicyRecord:
        versions = (record.policy for record in reversed(self._records) if record.scope == change.scope)
        kept = msgspec.structs.replace(next(versions, NOTHING_SET), **dict.fromkeys(change.reset))
        record = PolicyRecord(len(self._records) + 1, change.scope, change.changes.over(kept), at, by, reason)
        self._records.append(record)
        return record

    async def version(self) -> int:
        return len(self._records)

    async def current(self) -> list[PolicyRecord]:
        return list({record.scope: record for record in self._records}.values())

    async def history(self, scope: Scope, limit: int) -> list[PolicyRecord]:
        return [record for record in reversed(self._records) if record.scope == scope][:limit]

    async def find(self, version: int) -> PolicyRecord | None:
        return next((record for record in self._records if record.version == version), None)

    async def count_usage(self, added: Mapping[str, Hours], since_hour: int) -> Mapping[str, Hours]:
        for tenant, hours in added.items():
            for hour, events in hours.items():
                self._usage[tenant][hour] += events
        return {
            tenant: {hour: events for hour, events in self._usage[tenant].items() if hour >= since_hour}
            for tenant in added
        }

    async def count_waiting(self, scope: Scope, limit: int) -> int:
        return min(limit + 1, sum(self._waiting(scope)))

    async def forget_usage(self, before_hour: int) -> None:
        for hours in self._usage.values():
            for hour in [hour for hour in hours if hour < before_hour]:
                del hours[hour]
