"""What people may ask of and do with schedules in a running app. It knows no HTTP and no terminal."""

from __future__ import annotations

from typing import Protocol

from runtime.core.schedule import Schedule
from runtime.store.schedules import ScheduleFilter, StoredSchedule


class ScheduleOperations(Protocol):
    """Every change is noted in the audit, and is in force at once."""

    async def schedules(self, which: ScheduleFilter) -> list[StoredSchedule]:
        """Raises InvalidInputError for a `limit` outside 1 to MAX_PAGE."""
        ...

    async def schedule(self, tenant: str, name: str) -> StoredSchedule:
        """Raises NotFoundError."""
        ...

    async def moments(self, tenant: str, name: str, limit: int) -> list[float]:
        """The next moments of a schedule, in seconds since the epoch (UTC), whether it is paused or not.

        Raises:
            NotFoundError: there is none.
            InvalidInputError: `limit` is outside 1 to MAX_PAGE, or this machine does not know its time zone.
        """
        ...

    async def put(self, schedule: Schedule, *, by: str, reason: str | None = None) -> StoredSchedule:
        """Add a schedule, or set one anew: it stays paused if it was, and its runs count on.

        Raises:
            InvalidInputError: names the field that is wrong, or that no service takes.
            ConflictError: the app's code declares it, or its tenant has `Settings.max_schedules` already.
        """
        ...

    async def pause(self, tenant: str, name: str, *, by: str, reason: str | None = None) -> StoredSchedule:
        """Have no more moments come. One that has come, and has not run yet, waits. Raises NotFoundError."""
        ...

    async def resume(self, tenant: str, name: str, *, by: str, reason: str | None = None) -> StoredSchedule:
        """Have moments come again from now on. Raises NotFoundError."""
        ...

    async def delete(self, tenant: str, name: str, *, by: str, reason: str | None = None) -> StoredSchedule:
        """Delete a schedule and return it as it was; runs that it brought are not touched.

        Raises NotFoundError, and ConflictError where the app's code declares it.
        """
        ...
