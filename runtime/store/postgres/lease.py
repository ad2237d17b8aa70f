"""The lease: a lock that lives as long as one database session, and the epoch that fences every write.

The session's end, however it comes, frees the lock at once: nobody waits for a time-out of a heartbeat. The lock says
who may become the owner; what the owner writes is checked against the table of shards, because a process may lose its
session without noticing.
"""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

import asyncpg

from runtime.core.lease import DEFAULT_SHARDS, Lease
from runtime.errors import LeaseHeldError, LeaseLostError
from runtime.store.postgres.errors import describe, translated
from runtime.store.postgres.fence import Fence
from runtime.store.postgres.pool import CLOSE_SECONDS, Connection, Pool, connect

LOGGER = logging.getLogger("postroom.store")

PROBE_SECONDS = 15.0
"""How often the session is asked whether it lives, for the death that no packet announces."""

WRITERS_SECONDS = 10
"""How long a new epoch waits for transactions that have passed the fence and are about to commit."""


class LeaseSession:
    """Takes the lease and watches over it."""

    def __init__(self, pool: Pool, statements: dict[str, str], fence: Fence) -> None:
        self._pool = pool
        self._sql = statements
        self._fence = fence
        self._connection: Connection | None = None
        self._lost = asyncio.Event()

    async def acquire(self, incarnation: UUID) -> Lease:
        """Take the lock, unless this session has it, and become the owner. Raises as `Store.acquire_lease` does."""
        if self._connection is None or self._connection.is_closed():
            await self._take_lock()
        known = self._fence.lease
        return await self.renew(incarnation, take=known is None or known.incarnation != incarnation)

    async def renew(self, incarnation: UUID, *, take: bool = False) -> Lease:
        """Begin a new epoch, which fences whatever was sent in the one before and has not been committed.

        Unless `take`, only for shards that `incarnation` owns.

        Raises:
            LeaseLostError: another incarnation owns them.
        """
        self._fence.renewing += 1
        try:
            async with self._pool.transaction() as connection:
                lease = await self._change_owner(connection, incarnation, take=take)
        finally:
            self._fence.renewing -= 1
        self._fence.lease = lease
        return lease

    async def wait_lost(self) -> str:
        """Wait until the session is gone and return why."""
        while True:
            connection = self._connection
            if connection is None or connection.is_closed():
                return "the session that held the lease has ended"
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._lost.wait()
            except TimeoutError:
                await self._probe(connection)

    async def close(self) -> None:
        """Give the lock back. Safe twice."""
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            await connection.close(timeout=CLOSE_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()

    async def _take_lock(self) -> None:
        connection = await connect(self._pool.address, command_timeout_seconds=PROBE_SECONDS)
        try:
            with translated(self._pool.address.schema):
                held = await self._try_lock(connection)
                owner = None if held else await connection.fetchval(self._sql["owner"])
        except BaseException:
            connection.terminate()
            raise
        if not held:
            await connection.close(timeout=CLOSE_SECONDS)
            raise LeaseHeldError(owner)
        self._lost.clear()
        self._connection = connection
        connection.add_termination_listener(self._ended)

    async def _try_lock(self, connection: Connection) -> bool:
        if not self._pool.address.pooler:
            await connection.execute("SET idle_session_timeout = 0")
            return bool(await connection.fetchval(self._sql["hold_lease"]))
        # An open transaction that has read and written nothing keeps no old rows from being removed.
        await connection.execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
        return bool(await connection.fetchval(self._sql["hold_lease_in_transaction"]))

    async def _change_owner(self, connection: Connection, incarnation: UUID, *, take: bool) -> Lease:
        await connection.execute(f"SET LOCAL lock_timeout = '{WRITERS_SECONDS}s'")
        await connection.execute(self._sql["wait_writers"])
        await connection.execute(self._sql["create_shards"], DEFAULT_SHARDS)
        rows = await connection.fetch(self._sql["take_shards"], incarnation, take)
        if not rows or len(rows) != await connection.fetchval(self._sql["count_shards"]):
            raise LeaseLostError("another incarnation has owned the shards since; start anew")
        return Lease(incarnation, rows[0]["epoch"], tuple(sorted(row["shard"] for row in rows)))

    def _ended(self, _connection: object) -> None:
        self._lost.set()

    async def _probe(self, connection: Connection) -> None:
        try:
            await connection.fetchval("SELECT 1")
        except Exception as error:  # noqa: BLE001 # any failure means that the lease cannot be relied on
            LOGGER.warning("the lease's session does not answer: %s", describe(error))
            connection.terminate()
