"""The outbox in the database."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from runtime.store.outbox import Posted, SqlConnection
from runtime.store.postgres.pool import Pool, Row


class PostgresOutbox:
    """`runtime.store.outbox.OutboxStore`."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements

    async def put(self, connection: SqlConnection, posted: Posted) -> None:
        await connection.execute(self._sql["put_into_outbox"], *posted_columns(posted))

    async def waiting(self, limit: int) -> list[Posted]:
        return [_posted(row) for row in await self._pool.fetch(self._sql["outbox"], limit)]

    async def find(self, event_id: UUID) -> Posted | None:
        rows = await self._pool.fetch(self._sql["outbox_event"], event_id)
        return _posted(rows[0]) if rows else None

    async def set_limits(self, max_payload_bytes: int, max_delay_seconds: float) -> None:
        await self._pool.fetch(self._sql["set_limits"], max_payload_bytes, max_delay_seconds)


def posted_columns(posted: Posted) -> tuple[Any, ...]:
    """What `put_into_outbox` is given: all but the place."""
    return msgspec.structs.astuple(posted)[1:]


def _posted(row: Row) -> Posted:
    return Posted(**dict(row.items()))
