"""Connections to one server: made when needed, kept for reuse, replaced when they break."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import asyncpg
import msgspec

from runtime.durable.crash_points import reach
from runtime.errors import CommitUnknownError, StoreUnavailableError
from runtime.store.postgres.array_types import know_arrays
from runtime.store.postgres.cluster import Cluster
from runtime.store.postgres.errors import describe, ends_connection, store_error, translated

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Row: TypeAlias = asyncpg.Record

CLOSE_SECONDS = 5.0
ALWAYS_BY_INDEX = {"enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off"}
"""For the store's own statements. A plan is kept with its connection: one made while a table was small would scan it
whole when it has grown, until the statistics are taken anew. Without statistics, as after a burst of events, a bitmap
seems cheap: it would read all that waits and sort it where the first thousand are wanted."""

COMMAND_TIMEOUT_SECONDS = 60.0
"""After which a statement of the store's own counts as lost with its connection."""

NOTICE_DEAD_CLIENTS = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""The server frees the locks of a client whose machine died after 25 s, where its own default may be two hours."""


Server = str | Mapping[str, Any] | Callable[[], Mapping[str, Any]]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server is and how to speak to it."""

    server: Server
    """A DSN, or keyword arguments of `asyncpg.connect`, or what gives them for each connection anew."""
    schema: str
    application_name: str
    pooler: bool = False
    """A transaction pooler may stand in between: no statement is prepared for longer than its transaction."""
    connect_timeout_seconds: float = 10.0
    cluster: Cluster = msgspec.field(default_factory=Cluster)
    """The one that all connections lead to."""


async def connect(
    address: Address, *, command_timeout_seconds: float | None, planning: Mapping[str, str] = MappingProxyType({})
) -> Connection:
    """Open one connection.

    Raises:
        StoreUnavailableError: the server cannot be reached.
        DatabaseRefusedError: it can, and does not let this user in, or is another cluster than before.
    """
    server = address.server() if callable(address.server) else address.server
    options: dict[str, Any] = {"dsn": server} if isinstance(server, str) else dict(server)
    settings = {"application_name": address.application_name}
    options.setdefault("timeout", address.connect_timeout_seconds)
    if address.pooler:
        options["statement_cache_size"] = 0
    else:
        settings |= {**NOTICE_DEAD_CLIENTS, **planning}
    settings |= options.pop("server_settings", {})
    with translated(address.schema):
        connection: Connection = await asyncpg.connect(
            **options, server_settings=settings, command_timeout=command_timeout_seconds
        )
        know_arrays(connection)
        try:
            await address.cluster.recognise(connection)
        except BaseException:
            connection.terminate()
            raise
    return connection


async def commit(connection: Connection) -> None:
    """Commit the connection's transaction.

    Raises:
        CommitUnknownError: the connection was lost before the answer came.
    """
    reach("transaction.before_commit")
    try:
        status = await connection.execute("COMMIT", timeout=COMMAND_TIMEOUT_SECONDS)
    except Exception as error:
        if ends_connection(error):
            connection.terminate()
            raise CommitUnknownError(f"the connection was lost while committing ({describe(error)})") from error
        raise
    assert status == "COMMIT", "a failed statement before it was noticed"
    reach("transaction.after_commit")


async def roll_back(connection: Connection) -> None:
    """Roll back what is open. A connection that fails at it is terminated, and its server rolls back."""
    if connection.is_closed() or not connection.is_in_transaction():
        return
    try:
        await connection.execute("ROLLBACK", timeout=CLOSE_SECONDS)
    except Exception:  # noqa: BLE001 # whatever it is, the connection is of no more use
        connection.terminate()


class Pool:
    """At most `size` connections; who comes when all are taken waits in turn."""

    def __init__(
        self,
        address: Address,
        size: int,
        *,
        command_timeout_seconds: float | None = None,
        planning: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.address = address
        self._planning = planning
        self._begin = "; ".join(["BEGIN", *(f"SET LOCAL {name} = {value}" for name, value in planning.items())])
        self._timeout = command_timeout_seconds
        self._idle: deque[Connection] = deque()
        self._free = asyncio.Semaphore(size)
        self._resets: set[asyncio.Task[None]] = set()
        self._closed = True

    def open(self) -> None:
        self._closed = False

    async def acquire(self) -> Connection:
        """Take a connection; `release` gives it back.

        Raises:
            StoreUnavailableError: the server cannot be reached, or the pool is closed.
        """
        await self._free.acquire()
        try:
            return self._take_idle() or await self._connect()
        except BaseException:
            self._free.release()
            raise

    async def _connect(self) -> Connection:
        return await connect(self.address, command_timeout_seconds=self._timeout, planning=self._planning)

    def _take_idle(self) -> Connection | None:
        if self._closed:
            raise StoreUnavailableError("the store is not open; call open() first")
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def release(self, connection: Connection) -> None:
        """Give a connection back in the state it was taken in; one with an open transaction is thrown away."""
        self._free.release()
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)

    def release_after_reset(self, connection: Connection) -> None:
        """Give a connection back after statements of users, who may have changed settings or taken session locks."""
        if connection.is_closed() or self.address.pooler:
            self.release(connection)
            return
        task = asyncio.get_running_loop().create_task(self._reset(connection), name="reset connection")
        self._resets.add(task)
        task.add_done_callback(self._resets.discard)

    async def _reset(self, connection: Connection) -> None:
        try:
            await connection.reset(timeout=CLOSE_SECONDS)
        except Exception:  # noqa: BLE001 # whatever it is, the connection is of no more use
            connection.terminate()
        finally:
            self.release(connection)

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        """Run one statement that may be repeated safely.

        Raises:
            StoreUnavailableError: the server cannot be reached.
        """
        connection = await self.acquire()
        try:
            with translated(self.address.schema):
                return await self._run(connection, sql, args)
        finally:
            self.release(connection)

    async def fetch_once(self, sql: str, *args: Any) -> list[Row]:
        """Run one statement that commits by itself and must not be repeated blindly.

        Raises:
            CommitUnknownError: the connection was lost before the answer came.
            StoreUnavailableError: the server cannot be reached; nothing was written.
        """
        connection = await self.acquire()
        try:
            if self.address.pooler:
                return await self._run(connection, sql, args)
            return await connection.fetch(sql, *args)
        except Exception as error:
            seen = store_error(error, self.address.schema)
            if isinstance(seen, StoreUnavailableError) and ends_connection(error):
                connection.terminate()
                raise CommitUnknownError(f"the connection was lost while committing ({seen})") from error
            if seen is error:
                raise
            raise seen from error
        finally:
            self.release(connection)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction that is committed at the end of the block and rolled back by an exception.

        Raises:
            CommitUnknownError: the connection was lost before the answer to the commit came.
            StoreUnavailableError: the server cannot be reached; nothing was written.
        """
        connection = await self.acquire()
        try:
            with translated(self.address.schema):
                await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                yield connection
                await commit(connection)
        except Exception:
            await roll_back(connection)
            raise
        finally:
            self.release(connection)

    async def _run(self, connection: Connection, sql: str, args: Sequence[Any]) -> list[Row]:
        """Run a statement by itself; behind a pooler in a transaction, to be parsed and run on one server."""
        if not self.address.pooler:
            return await connection.fetch(sql, *args)
        await connection.execute(self._begin)
        try:
            rows = await connection.fetch(sql, *args)
        except asyncpg.PostgresError:
            await roll_back(connection)
            raise
        await connection.execute("COMMIT")
        return rows

    async def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back. Safe twice."""
        self._closed = True
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=CLOSE_SECONDS)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()
        for task in tuple(self._resets):
            await asyncio.wait([task])
