"""Orders to abort jobs in the database."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.errors import ConflictError
from runtime.store.aborts import AbortOrder
from runtime.store.postgres.columns import outcome_columns
from runtime.store.postgres.pool import Pool
from runtime.store.postgres.writer import Writer
from runtime.store.records import Batch, Entry, Outcome


class PostgresAborts:
    """`runtime.store.aborts.AbortStore`."""

    def __init__(self, pool: Pool, statements: dict[str, str], writer: Writer) -> None:
        self._pool = pool
        self._sql = statements
        self._writer = writer

    async def order(self, order: AbortOrder) -> None:
        await self._pool.fetch(self._sql["order_abort"], order.id, order.by, order.at, order.reason)

    async def orders(self, limit: int) -> list[AbortOrder]:
        return [AbortOrder(*row) for row in await self._pool.fetch(self._sql["abort_orders"], limit)]

    async def withdraw(self, job_id: UUID) -> None:
        await self._pool.fetch(self._sql["forget_aborts"], [job_id])

    async def end_waiting(self, batch: Batch, outcome: Outcome) -> list[Entry]:
        async with self._writer.gate:
            write = await self._writer.prepare(batch)
            ended = batch.events[0]
            with self._writer.under(write):
                async with self._pool.transaction() as connection:
                    if not await connection.fetch(self._sql["take_delayed"], ended.id, ended.attempt):
                        raise ConflictError(f"event {ended.id} is not delayed any more")
                    entries = await write.send(connection)
                    ending = outcome_columns([msgspec.structs.replace(outcome, seq=entries[0].seq)])
                    await connection.fetch(self._sql["write_outcomes"], *write.fence, *ending)
        return entries
