"""Schedules in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from runtime.core.schedule import Schedule
from runtime.core.schedule_standing import Standing
from runtime.errors import ConflictError
from runtime.store.audit import AuditEntry
from runtime.store.postgres.audit import audit_columns
from runtime.store.postgres.columns import Columns
from runtime.store.postgres.pool import Connection, Pool, Row
from runtime.store.records import Extras
from runtime.store.schedules import Run, ScheduleChange, ScheduleFilter, StoredSchedule


class PostgresSchedules:
    """`runtime.store.schedules.ScheduleStore`."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements

    async def find(self, tenant: str, name: str) -> StoredSchedule | None:
        rows = await self._pool.fetch(self._sql["schedule"], tenant, name)
        return _stored(rows[0]) if rows else None

    async def page(self, which: ScheduleFilter) -> list[StoredSchedule]:
        chosen = (which.tenant, which.service, which.source, *which.after, which.limit)
        return [_stored(row) for row in await self._pool.fetch(self._sql["schedules"], *chosen)]

    async def change(self, changes: Sequence[ScheduleChange], audits: Sequence[AuditEntry], most: int) -> None:
        async with self._pool.transaction() as connection:
            await change_schedules(connection, self._sql, changes, most)
            if audits:
                await connection.fetch(self._sql["write_audit"], *audit_columns(audits))

    async def due(self, now: float, limit: int) -> list[StoredSchedule]:
        return [_stored(row) for row in await self._pool.fetch(self._sql["due_schedules"], now, limit)]

    async def next_look(self) -> float | None:
        rows = await self._pool.fetch(self._sql["next_schedule"])
        return rows[0][0] if rows else None

    async def unended(self, runs: Collection[Run]) -> set[UUID]:
        if not runs:
            return set()
        columns = [[getattr(run, name) for run in runs] for name in ("id", "service", "tenant", "key")]
        return {row[0] for row in await self._pool.fetch(self._sql["unended_runs"], *columns)}


async def change_schedules(
    connection: Connection, statements: dict[str, str], changes: Sequence[ScheduleChange], most: int
) -> None:
    """Make changes in the transaction at hand. Raises as `ScheduleStore.change`."""
    await connection.execute(statements["lock_schedules"])
    for change in changes:
        if not await _change(connection, statements, change):
            tenant, name = change.address
            raise ConflictError(f"the schedule {name} of {tenant} has changed meanwhile")
    for tenant in sorted({change.address[0] for change in changes if change.was == 0}):
        count = await connection.fetchval(statements["count_schedules"], tenant, most + len(changes) + 1)
        if count > most:
            raise ConflictError(f"{tenant} may have {most} schedules, and would have {count}")


async def _change(connection: Connection, statements: dict[str, str], change: ScheduleChange) -> bool:
    if change.becomes is None:
        return bool(await connection.fetch(statements["delete_schedule"], *change.address, change.was))
    columns = _columns(change.becomes)
    if change.was == 0:
        return bool(await connection.fetch(statements["insert_schedule"], *columns))
    return bool(await connection.fetch(statements["update_schedule"], *columns, change.was))


def step_columns(extras: Extras) -> Columns:
    """tenant, name, revision, look_at, standing."""
    steps = extras.schedules
    return [
        [step.tenant for step in steps],
        [step.name for step in steps],
        [step.revision for step in steps],
        [step.standing.look_at for step in steps],
        [_text(step.standing) for step in steps],
    ]


def _columns(stored: StoredSchedule) -> tuple[Any, ...]:
    schedule, standing = stored.schedule, stored.standing
    service, look_at = schedule.service, standing.look_at
    return (
        *stored.address,
        service,
        stored.source,
        look_at,
        stored.at,
        stored.by,
        _text(schedule),
        _text(standing),
    )


def _stored(row: Row) -> StoredSchedule:
    return StoredSchedule(
        schedule=msgspec.json.decode(row["definition"], type=Schedule),
        source=row["source"],
        standing=msgspec.json.decode(row["standing"], type=Standing),
        revision=row["revision"],
        at=row["at"],
        by=row["actor"],
    )


def _text(value: Schedule | Standing) -> str:
    return msgspec.json.encode(value).decode()
