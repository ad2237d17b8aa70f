"""The transaction of a chunk of events, and `self.db` of each of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from actors.database import Database
from runtime.errors import DatabaseUseError, StoreUnavailableError
from runtime.store.postgres.errors import describe, ends_connection, is_unavailable
from runtime.store.postgres.marks import Marks
from runtime.store.postgres.pool import COMMAND_TIMEOUT_SECONDS, Connection, Pool, Row, commit, roll_back
from runtime.store.postgres.writer import Write, Writer
from runtime.store.records import Batch, Entry

LET_IT_RAISE = "let the error of a failed statement raise, or roll back to a savepoint of your own"

_TRANSACTION_CONTROL = re.compile(
    r"\s*(begin|start\s+transaction|commit|end|abort|prepare\s+transaction"
    r"|rollback(?!\s+((work|transaction)\s+)?to\b))\b",
    re.IGNORECASE,
)


class EventDatabase:
    """`self.db` of one event. It is closed when the event ends."""

    __slots__ = ("_unit", "closed")

    def __init__(self, unit: PostgresUnitOfWork) -> None:
        self._unit = unit
        self.closed = False

    async def execute(self, sql: str, *args: Any) -> str:
        status: str = await self._unit.send(self, "execute", sql, args)
        return status

    async def executemany(self, sql: str, args: Iterable[Sequence[Any]]) -> None:
        await self._unit.send(self, "executemany", sql, (args,))

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        rows: list[Row] = await self._unit.send(self, "fetch", sql, args)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> Row | None:
        row: Row | None = await self._unit.send(self, "fetchrow", sql, args)
        return row

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._unit.send(self, "fetchval", sql, args)


class PostgresUnitOfWork:
    """`runtime.store.port.UnitOfWork` over one connection, which is taken with the first statement.

    A statement that was cancelled leaves the unit usable: undoing the event undoes it, whether it ran or not. Control
    statements that were interrupted leave nobody knowing where the transaction stands: the unit is lost.
    """

    def __init__(self, pool: Pool, writer: Writer) -> None:
        self._pool = pool
        self._writer = writer
        self._marks = Marks()
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._database = EventDatabase(self)
        self._database.closed = True
        self._broken: DatabaseUseError | None = None
        self._opened = False
        self._lost = False
        self._ended = False

    @property
    def database(self) -> Database:
        return self._database

    @property
    def opened(self) -> bool:
        return self._opened

    @property
    def lost(self) -> bool:
        return self._lost

    def begin_event(self) -> None:
        self._marks.begin_event()
        self._database = EventDatabase(self)

    def keep_event(self) -> None:
        self._database.closed = True
        self._marks.keep_event()

    def undo_event(self) -> None:
        self._database.closed = True
        self._marks.undo_event()

    async def send(self, database: EventDatabase, method: str, sql: str, args: Sequence[Any]) -> Any:
        """Run a statement of the event that `database` belongs to. One at a time: a handler may use it concurrently."""
        if _TRANSACTION_CONTROL.match(sql):
            raise DatabaseUseError(
                "a handler does not control its transaction: leave out BEGIN, COMMIT and ROLLBACK; raise to roll back"
            )
        async with self._lock:
            if database.closed or self._ended:
                raise DatabaseUseError("self.db was used after its handler had ended; await all statements inside it")
            connection = await self._ready()
            try:
                return await getattr(connection, method)(sql, *args)
            except Exception as error:
                self._lost = self._lost or _is_lost(connection, error)
                raise
            finally:
                self._watch(connection)

    async def commit(self, batch: Batch) -> list[Entry]:
        if self._lost:
            await self.rollback()
            raise StoreUnavailableError("the connection was lost; nothing was written, the chunk has to run again")
        if self._broken is None and not self._marks.began:
            await self.rollback()
            return await self._writer.commit(batch)
        try:
            async with self._writer.gate, self._lock:
                return await self._commit(await self._writer.prepare(batch))
        finally:
            await self.rollback()

    async def _commit(self, write: Write) -> list[Entry]:
        if self._broken is not None:
            raise self._broken
        connection = self._require_connection()
        try:
            with self._writer.under(write):
                await self._control(connection)
                places = await write.send(connection, COMMAND_TIMEOUT_SECONDS)
                await commit(connection)
        except asyncpg.InFailedSQLTransactionError as error:
            raise DatabaseUseError(f"a statement had failed and the handler went on; {LET_IT_RAISE}") from error
        return places

    async def rollback(self) -> None:
        async with self._lock:
            self._ended = True
            self._database.closed = True
            connection, self._connection = self._connection, None
            if connection is None:
                return
            try:
                await roll_back(connection)
            finally:
                self._pool.release_after_reset(connection)

    async def _ready(self) -> Connection:
        """The connection, inside the transaction and the event's savepoint."""
        if self._broken is not None:
            raise self._broken
        if self._lost:
            raise StoreUnavailableError("the connection was lost; the event will run again")
        if self._connection is None:
            self._opened = True
            try:
                self._connection = await self._pool.acquire()
            except StoreUnavailableError:
                self._lost = True
                raise
        self._marks.before_statement()
        await self._control(self._connection)
        return self._connection

    async def _control(self, connection: Connection) -> None:
        if not (sql := self._marks.take_owed()):
            return
        try:
            await connection.execute(sql)
        except BaseException as error:
            if isinstance(error, asyncpg.PostgresError) and not is_unavailable(error):
                self._broken = DatabaseUseError(
                    f"a handler left its transaction unusable ({describe(error)}); {LET_IT_RAISE}"
                )
                raise self._broken from error
            self._lost = True
            raise

    def _watch(self, connection: Connection) -> None:
        """Notice a statement that ended the transaction, such as a COMMIT inside a list of statements."""
        if not connection.is_closed() and not connection.is_in_transaction() and not self._lost:
            self._broken = DatabaseUseError(
                "a handler ended the transaction that the runtime keeps; what it and the events of its chunk before it"
                " wrote may be committed; leave BEGIN, COMMIT and ROLLBACK out of self.db"
            )

    def _require_connection(self) -> Connection:
        assert self._connection is not None, "a transaction began on a connection"
        return self._connection


def _is_lost(connection: Connection, error: Exception) -> bool:
    """The server's word that it ends the session arrives before the end itself; a time-out may end only a statement."""
    return ends_connection(error) and (isinstance(error, asyncpg.PostgresError) or connection.is_closed())
