"""The session of a member: a lock that lives as long as one connection to the server.

Its end, however it comes, frees the lock at once, so that others see it without waiting for a time-out.
"""

from __future__ import annotations

import asyncio
import logging

import asyncpg

from runtime.errors import StoreUnavailableError
from runtime.store.postgres.errors import describe, translated
from runtime.store.postgres.pool import CLOSE_SECONDS, Address, Connection, connect

LOGGER = logging.getLogger("postroom.store")

PROBE_SECONDS = 15.0
"""How often the session is asked whether it lives, for the death that no packet announces."""


class Session:
    """Holds the lock and watches over it."""

    def __init__(self, address: Address, statements: dict[str, str]) -> None:
        self._address = address
        self._sql = statements
        self._connection: Connection | None = None
        self._number: int | None = None
        self._lost = asyncio.Event()

    async def hold(self, *, anew: bool) -> int:
        """Take the lock, unless it is held, and return the number that names it; another one than before if `anew`.

        Raises:
            StoreUnavailableError: the server cannot be reached, or has not noticed the end of the session before.
        """
        if anew:
            await self.close()
            self._number = None
        if self._number is None or self._connection is None or self._connection.is_closed():
            self._number = await self._take_lock()
        return self._number

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

    async def _take_lock(self) -> int:
        connection = await connect(self._address, command_timeout_seconds=PROBE_SECONDS)
        try:
            with translated(self._address.schema):
                number = self._number
                if number is None:
                    number = int(await connection.fetchval(self._sql["member_number"]))
                held = await self._try_lock(connection, number)
        except BaseException:
            connection.terminate()
            raise
        if not held:
            connection.terminate()
            raise StoreUnavailableError("the server has not noticed yet that the session before has ended")
        self._lost.clear()
        self._connection = connection
        connection.add_termination_listener(self._ended)
        return number

    async def _try_lock(self, connection: Connection, number: int) -> bool:
        if not self._address.pooler:
            await connection.execute("SET idle_session_timeout = 0")
            return bool(await connection.fetchval(self._sql["hold_session"], number))
        # An open transaction that has read and written nothing keeps no old rows from being removed.
        await connection.execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
        return bool(await connection.fetchval(self._sql["hold_session_in_transaction"], number))

    def _ended(self, _connection: object) -> None:
        self._lost.set()

    async def _probe(self, connection: Connection) -> None:
        try:
            await connection.fetchval("SELECT 1")
        except Exception as error:  # noqa: BLE001 # any failure means that the lease cannot be relied on
            LOGGER.warning("the lease's session does not answer: %s", describe(error))
            connection.terminate()
