"""The part of the store port that keeps schedules. Times are seconds since the epoch (UTC)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from runtime.core.schedule import Schedule
from runtime.core.schedule_standing import Standing
from runtime.store.audit import AuditEntry

Source = Literal["app", "people"]
"""Who says what a schedule is: the app's code, or people while it runs."""
Address = tuple[str, str]
"""A schedule's tenant and name."""


class StoredSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it stands. Every change and every run gives it another revision, larger than all before."""

    schedule: Schedule
    source: Source
    standing: Standing
    revision: int
    at: float
    """When it was last set, paused or resumed."""
    by: str

    @property
    def address(self) -> Address:
        return self.schedule.tenant, self.schedule.name


class ScheduleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which schedules to list, by tenant and name: at most `limit`, those that follow the address `after`."""

    tenant: str | None = None
    service: str | None = None
    source: Source | None = None
    limit: int = 50
    after: Address = ("", "")


class ScheduleChange(msgspec.Struct, frozen=True):
    """What a schedule of the revision `was`, 0 for none, becomes: None where it is deleted.

    The revision of `becomes` does not count; it is given another one.
    """

    address: Address
    was: int
    becomes: StoredSchedule | None


class Run(msgspec.Struct, frozen=True):
    """The event that a schedule brought last."""

    id: UUID
    service: str
    tenant: str
    key: str | None
    """Its key, where no other run has it."""


class ScheduleStore(Protocol):
    """Schedules. What becomes of their moments goes with the batch that holds the events: see `Extras.schedules`.

    Every method may raise `StoreUnavailableError`, after which it can be called again.
    """

    async def find(self, tenant: str, name: str) -> StoredSchedule | None: ...

    async def page(self, which: ScheduleFilter) -> list[StoredSchedule]: ...

    async def change(self, changes: Sequence[ScheduleChange], audits: Sequence[AuditEntry], most: int) -> None:
        """Make changes, all of them or none, and note them in the audit.

        Raises:
            ConflictError: a schedule has another revision meanwhile, or a tenant would have more than `most`.
        """
        ...

    async def due(self, now: float, limit: int) -> list[StoredSchedule]:
        """Those for which there is something to decide at `now`, the longest due first."""
        ...

    async def next_look(self) -> float | None:
        """When there will be something to decide."""
        ...

    async def unended(self, runs: Collection[Run]) -> set[UUID]:
        """Those that have not ended: their jobs, or actors that name their state and have it for that run alone."""
        ...
