"""Makes partitions ahead of time and drops those whose events have ended, with locks that the hot path does not feel.

A partition is attached, which lets reads and writes go on, but for those of the default partition. It is dropped under
a lock of the whole log, and the server removes its files after it has let go of that lock: a partition of 400 MB took
210 ms, of which those beside it felt 4. DETACH CONCURRENTLY is not to be had beside a default partition. Nobody is made
to wait longer than `LOCK_MILLISECONDS`: where a long query keeps the lock, the next try comes later.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from runtime.durable.ids import id_at as id_at_time
from runtime.errors import DatabaseRefusedError
from runtime.store.postgres.partitions import (
    Partition,
    expired_events,
    id_at,
    missing_events,
    missing_outcomes,
    next_width,
    parse,
)
from runtime.store.postgres.pool import Connection, Pool, Row

LOCK_MILLISECONDS = 50
MAX_DELETED = 1000
"""How many stray rows one transaction deletes."""
Fetch = Callable[..., Awaitable[list[Row]]]
EVENTS, OUTCOMES = "event_log", "outcome"


class Maintenance:
    """The partitions of one schema's logs. Every step is safe to be cut off and repeated, by whatever process."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements
        self._outcomes_made_at: float | None = None

    async def extend(self, now: float, period_seconds: float, ahead: int) -> None:
        """Raises as `Store.extend_log` does."""
        with _telling_missing_rights():
            if not await self._missing(self._pool.fetch, now, period_seconds, ahead):
                return
            async with self._alone() as connection:
                if connection is not None:
                    for log, new in await self._missing(connection.fetch, now, period_seconds, ahead):
                        await self._make(connection, log, new)

    async def expire(self, before: float) -> int:
        """Raises as `Store.expire` does."""
        with _telling_missing_rights():
            dropped = 0
            for each in expired_events(await self._partitions(self._pool.fetch, EVENTS), before):
                dropped += await self._drop(EVENTS, each, "events_have_ended", id_at(each.lower), id_at(each.upper))
            await self._delete("delete_stray_events", before)
            await self._delete("delete_results", id_at_time(before))
            await self._delete("delete_signatures", before)
            await self._delete("delete_states", before)
            await self._delete("delete_replays", before)
            outcomes = sorted(await self._partitions(self._pool.fetch, OUTCOMES))
            for each in outcomes:
                dropped += await self._drop(OUTCOMES, each, "outcomes_are_orphans", each.lower, each.upper)
            if outcomes and await self._holds("outcomes_are_orphans", outcomes[0], 0, outcomes[0].lower):
                await self._delete("delete_stray_outcomes", outcomes[0].lower)
            return dropped

    async def _missing(
        self, fetch: Fetch, now: float, period_seconds: float, ahead: int
    ) -> list[tuple[str, Partition]]:
        events, outcomes = await self._partitions(fetch, EVENTS), await self._partitions(fetch, OUTCOMES)
        [[last_seq]] = await fetch(self._sql["end_of_log"])
        width = self._next_width(outcomes, period_seconds)
        return [
            *((EVENTS, each) for each in missing_events(events, now, period_seconds)),
            *((OUTCOMES, each) for each in missing_outcomes(outcomes, last_seq, ahead, width)),
        ]

    def _next_width(self, outcomes: Sequence[Partition], period_seconds: float) -> int:
        if not outcomes:
            return 0
        last = max(outcomes)
        if self._outcomes_made_at is None:
            return last.upper - last.lower
        return next_width(last.upper - last.lower, (time.monotonic() - self._outcomes_made_at) / period_seconds)

    async def _partitions(self, fetch: Fetch, log: str) -> list[Partition]:
        rows = await fetch(self._sql["partitions"], log, self._pool.address.schema)
        return [parse(row["name"], row["bounds"]) for row in rows]

    async def _make(self, connection: Connection, log: str, new: Partition) -> None:
        """Make a partition; rows of its range that were stored before it are moved there."""
        names = {"log": log, "partition": new.name}
        if log == EVENTS:
            names |= {"column": "id", "lower": f"'{id_at(new.lower)}'", "upper": f"'{id_at(new.upper)}'"}
        else:
            names |= {"column": "seq", "lower": str(new.lower), "upper": str(new.upper)}
            self._outcomes_made_at = time.monotonic()
        await connection.execute(self._named("make_partition", names))

    async def _drop(self, log: str, old: Partition, condition: str, *arguments: Any) -> bool:
        """Drop a partition if the condition holds, which is asked again when nobody can write any more."""
        try:
            return await self._holds(condition, old, *arguments) and await self._drop_locked(
                log, old, condition, *arguments
            )
        except asyncpg.UndefinedTableError:  # another process was faster
            return False

    async def _drop_locked(self, log: str, old: Partition, condition: str, *arguments: Any) -> bool:
        async with self._alone() as connection:
            if connection is None:
                return False
            names = {"log": log, "partition": old.name}
            await connection.execute(self._named("stop_log", names))
            if not await connection.fetchval(self._named(condition, names), *arguments):
                return False
            await connection.execute(self._named("drop_partition", names))
        return True

    async def _delete(self, name: str, bound: float | UUID) -> None:
        while len(await self._pool.fetch(self._sql[name], bound, MAX_DELETED)) == MAX_DELETED:
            pass

    async def _holds(self, condition: str, partition: Partition, *arguments: Any) -> bool:
        [[holds]] = await self._pool.fetch(self._named(condition, {"partition": partition.name}), *arguments)
        return bool(holds)

    def _named(self, statement: str, names: Mapping[str, str]) -> str:
        """A statement with names and bounds, all of our own making, in their places: DDL takes no parameters."""
        sql = self._sql[statement]
        for name, value in names.items():
            sql = sql.replace(f"{{{name}}}", value)
        return sql

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[Connection | None]:
        """A transaction that waits for no lock for long; None while another process is at it."""
        async with self._pool.transaction() as connection:
            await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
            yield connection if await connection.fetchval(self._sql["try_maintain"]) else None


@contextlib.contextmanager
def _telling_missing_rights() -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseRefusedError(
            f"old events cannot be dropped ({error}); run the app as the role that owns its schema"
        ) from error
