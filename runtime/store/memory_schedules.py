"""Schedules of the in-memory store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

import msgspec

from runtime.errors import ConflictError
from runtime.store.audit import AuditEntry
from runtime.store.memory_audit import MemoryAudit
from runtime.store.records import ScheduleStep
from runtime.store.schedules import Address, Run, ScheduleChange, ScheduleFilter, StoredSchedule


class MemorySchedules:
    """`runtime.store.schedules.ScheduleStore`. `is_unended` says whether a run has not ended."""

    def __init__(self, audit: MemoryAudit, is_unended: Callable[[Run], bool]) -> None:
        self._audit = audit
        self._is_unended = is_unended
        self._known: dict[Address, StoredSchedule] = {}
        self._last = 0

    async def find(self, tenant: str, name: str) -> StoredSchedule | None:
        return self._known.get((tenant, name))

    async def page(self, which: ScheduleFilter) -> list[StoredSchedule]:
        found = (self._known[address] for address in sorted(self._known) if address > which.after)
        return [each for each in found if _fits(each, which)][: which.limit]

    async def change(self, changes: Sequence[ScheduleChange], audits: Sequence[AuditEntry], most: int) -> None:
        self.write(changes, most)
        self._audit.add(audits)

    def write(self, changes: Sequence[ScheduleChange], most: int) -> None:
        """As `change`, without the audit."""
        changed = dict(self._known)
        for change in changes:
            self._require(change.address, change.was)
            changed.pop(change.address, None)
            if change.becomes is not None:
                changed[change.address] = self._revised(change.becomes)
        counts = Counter(tenant for tenant, _ in changed)
        for change in changes:
            tenant = change.address[0]
            if change.was == 0 and counts[tenant] > most:
                raise ConflictError(f"{tenant} may have {most} schedules, and would have {counts[tenant]}")
        self._known = changed

    async def due(self, now: float, limit: int) -> list[StoredSchedule]:
        looks = [(each.standing.look_at, each.address) for each in self._known.values()]
        due = sorted((at, address) for at, address in looks if at is not None and at <= now)
        return [self._known[address] for _, address in due[:limit]]

    async def next_look(self) -> float | None:
        looks = (each.standing.look_at for each in self._known.values())
        return min((at for at in looks if at is not None), default=None)

    async def unended(self, runs: Collection[Run]) -> set[UUID]:
        return {run.id for run in runs if self._is_unended(run)}

    def require(self, steps: Sequence[ScheduleStep]) -> None:
        """Raise ConflictError unless all of them have the revision that was looked at."""
        for step in steps:
            self._require((step.tenant, step.name), step.revision)

    def advance(self, steps: Sequence[ScheduleStep]) -> None:
        for step in steps:
            known = self._known[step.tenant, step.name]
            self._known[known.address] = self._revised(msgspec.structs.replace(known, standing=step.standing))

    def _require(self, address: Address, revision: int) -> None:
        known = self._known.get(address)
        if (0 if known is None else known.revision) != revision:
            raise ConflictError(f"the schedule {address[1]} of {address[0]} has changed meanwhile")

    def _revised(self, schedule: StoredSchedule) -> StoredSchedule:
        self._last += 1
        return msgspec.structs.replace(schedule, revision=self._last)


def _fits(each: StoredSchedule, which: ScheduleFilter) -> bool:
    schedule = each.schedule
    return (
        which.tenant in {None, schedule.tenant}
        and which.service in {None, schedule.service}
        and which.source in {None, each.source}
    )
