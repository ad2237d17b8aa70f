"""What a batch is on the wire: one statement that checks the fence, numbers the events and writes all parts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from runtime.core.lease import Lease
from runtime.store.postgres.claims import claim
from runtime.store.postgres.columns import (
    QUEUE,
    SHARD,
    dead_letter_columns,
    delayed_columns,
    event_columns,
    event_values,
    filled,
    outcome_columns,
    placed,
    queued_pairs,
    shortened,
)
from runtime.store.postgres.errors import translated
from runtime.store.postgres.extras import Statement, extra_statements
from runtime.store.postgres.fence import Fence, Gate
from runtime.store.postgres.members import touched_of
from runtime.store.postgres.pool import Connection, Pool, Row
from runtime.store.postgres.queues import QueueIds
from runtime.store.records import Batch, Entry, Event

COPY_EVENTS = 200
"""From how many events on COPY is faster, although it takes five round trips where the statement takes one."""


class Write:
    """A batch ready to be sent under a lease."""

    __slots__ = ("arguments", "batch", "extras", "lease", "queue_ids", "sql")

    def __init__(
        self,
        batch: Batch,
        lease: Lease,
        sql: str,
        arguments: Sequence[Any],
        queue_ids: Sequence[int],
        extras: Sequence[Statement] = (),
    ) -> None:
        self.batch = batch
        self.lease = lease
        self.sql = sql
        self.arguments = arguments
        self.queue_ids = queue_ids
        self.extras = extras

    async def send(self, connection: Connection, timeout_seconds: float | None = None) -> list[Entry]:
        """Write all parts in the transaction at hand; return the places of the events."""
        for sql, arguments in self.extras:
            await connection.fetch(sql, *arguments, timeout=timeout_seconds)
        rows = await connection.fetch(self.sql, *self.arguments, timeout=timeout_seconds)
        return self.places(rows[0])

    @property
    def fence(self) -> Sequence[Any]:
        """What `enter()` takes for a further statement of the transaction, which appends nothing."""
        return [*self.arguments[:2], None]

    def places(self, row: Row) -> list[Entry]:
        """The places of the batch's events, from the statement's answer."""
        return placed(self.batch.events, self.queue_ids, row["last_seq"], row["seqs"])


class Writer:
    """Turns batches into statements."""

    def __init__(self, pool: Pool, statements: dict[str, str], fence: Fence) -> None:
        self._pool = pool
        self._sql = statements
        self._fence = fence
        self.queues = QueueIds(pool, statements)

    @property
    def gate(self) -> Gate:
        """To be passed by whoever prepares and sends a batch: what it may write does not change meanwhile."""
        return self._fence.gate

    async def prepare(self, batch: Batch) -> Write:
        """Find the queues of a batch, making those that are new. Before any lock is taken.

        Raises:
            LeaseLostError: no lease was acquired.
            StoreUnavailableError: the database cannot be reached.
        """
        lease = self._fence.require()
        return self._write(batch, lease, await self.queues.of(queued_pairs(batch)))

    def _write(self, batch: Batch, lease: Lease, queues: Mapping[tuple[str, str], int]) -> Write:
        shards = lease.count
        columns = event_columns(batch.events, queues, shards)
        arguments: list[Any] = [*self._fence.arguments(lease, touched_of(lease, columns[QUEUE], columns[SHARD]))]
        if batch.events or batch.delayed or batch.dead_letters:
            name = "write_events"
            arguments += shortened(columns)
            if batch.outcomes or batch.delayed or batch.dead_letters:
                name = "write_log"
                arguments += outcome_columns(batch.outcomes)
            if batch.delayed or batch.dead_letters:
                name = "write_batch"
                arguments += delayed_columns(batch.delayed, queues, shards)
                arguments += dead_letter_columns(batch.dead_letters)
        else:
            name = "write_outcomes"
            arguments += outcome_columns(batch.outcomes)
        extras = [] if batch.extras is None else extra_statements(batch.extras, queues, self._sql)
        return Write(batch, lease, self._sql[name], arguments, columns[QUEUE], extras)

    async def commit(self, batch: Batch) -> list[Entry]:
        """Write a batch by itself. Raises as `Store.commit` does."""
        async with self._fence.gate:
            if batch.extras is not None and batch.extras.claims:
                return await self._commit_claiming(batch)
            if len(batch.events) >= COPY_EVENTS:
                with contextlib.suppress(asyncpg.UniqueViolationError):
                    return await self._copy(batch)
            if len(batch.events) == len(batch) == 1:
                return await self._append(batch.events[0])
            write = await self.prepare(batch)
            with self._fence.under(write.lease):
                if write.extras:
                    async with self._pool.transaction() as connection:
                        return await write.send(connection)
                rows = await self._pool.fetch_once(write.sql, *write.arguments)
        return write.places(rows[0])

    async def _append(self, event: Event) -> list[Entry]:
        """Append a lone event."""
        lease = self._fence.require()
        pair = event.service, event.tenant
        queue = (await self.queues.of([pair]))[pair]
        values = event_values(event, queue, lease.count)
        fence = self._fence.arguments(lease, touched_of(lease, [queue], [values[SHARD]]))
        with self._fence.under(lease):
            rows = await self._pool.fetch_once(self._sql["write_event"], *fence, *values)
        return [Entry(row[0], queue, event) for row in rows]

    async def _commit_claiming(self, batch: Batch) -> list[Entry]:
        lease = self._fence.require()
        queues = await self.queues.of(queued_pairs(batch))
        with self._fence.under(lease):
            async with self._pool.transaction() as connection:
                kept = await claim(connection, self._sql["claim_signatures"], batch)
                return await self._write(kept, lease, queues).send(connection)

    async def _copy(self, batch: Batch) -> list[Entry]:
        """Append many events by COPY, which cannot leave out what was stored before: then it raises."""
        rest = await self.prepare(msgspec.structs.replace(batch, events=[]))
        events, lease = batch.events, rest.lease
        queues = await self.queues.of((event.service, event.tenant) for event in events)
        columns = event_columns(events, queues, lease.count)
        fence = self._fence.arguments(lease, touched_of(lease, columns[QUEUE], columns[SHARD]))
        count = len(events)
        names, values = filled(columns)
        with self._fence.under(lease):
            async with self._pool.transaction() as connection:
                if len(rest.batch):
                    await rest.send(connection)
                last_seq = await connection.fetchval(self._sql["enter"], *fence, count)
                seqs = range(last_seq - count + 1, last_seq + 1)
                await connection.copy_records_to_table(
                    "event_log",
                    schema_name=self._pool.address.schema,
                    columns=[*names, "seq"],
                    records=zip(*values, seqs, strict=True),
                )
        return placed(events, columns[QUEUE], last_seq, seqs)

    @contextlib.contextmanager
    def under(self, write: Write) -> Iterator[None]:
        """Turn the driver's errors in a transaction that sends `write` into those of the store."""
        with self._fence.under(write.lease), translated(self._pool.address.schema):
            yield
