"""The database outside of any event: each statement by itself, and the app's own tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

from runtime.store.postgres.errors import translated
from runtime.store.postgres.pool import Pool, Row


class AutocommitDatabase:
    """`actors.database.Database` where every statement is a transaction of its own.

    Raises:
        StoreUnavailableError: the server cannot be reached; whether the statement took place is then not known.
        asyncpg.PostgresError: what the server found wrong with it.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def execute(self, sql: str, *args: Any) -> str:
        status: str = await self._send("execute", sql, args)
        return status

    async def executemany(self, sql: str, args: Iterable[Sequence[Any]]) -> None:
        await self._send("executemany", sql, (args,))

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        rows: list[Row] = await self._send("fetch", sql, args)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> Row | None:
        row: Row | None = await self._send("fetchrow", sql, args)
        return row

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._send("fetchval", sql, args)

    async def run_scripts(self, scripts: Sequence[str], *, lock: str) -> None:
        """Run scripts in one transaction, which waits for others that run under the same `lock`."""
        async with self._pool.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", crc32(lock.encode()))
            for script in scripts:
                await connection.execute(script)

    async def _send(self, method: str, sql: str, args: Sequence[Any]) -> Any:
        connection = await self._pool.acquire()
        try:
            with translated(self._pool.address.schema):
                return await getattr(connection, method)(sql, *args)
        finally:
            self._pool.release_after_reset(connection)
