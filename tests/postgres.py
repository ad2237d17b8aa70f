"""A real PostgreSQL for the tests: one embedded server a session, a database of its own for each test."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from runtime.embedded import EmbeddedServer
from runtime.store.postgres import PostgresStore

T = TypeVar("T")
Server = dict[str, Any]
"""What `asyncpg.connect` takes."""

TEMPLATE = "postroom_template"
MEMORY = Path("/dev/shm")
ROOM_BYTES = 8 << 30
"""For the servers of all the processes that run tests, with their write-ahead logs."""
END_SESSIONS = """
SELECT pg_terminate_backend(l.pid, 5000)
FROM postroom.member m
JOIN pg_locks l ON l.locktype = 'advisory' AND l.classid = hashtext('"postroom" member')::oid AND l.objid = m.number
"""
"""Ends the sessions of the members of a database, as their death does."""
_numbers = itertools.count(1)


class LoopThread:
    """An event loop that runs all the time: the server's log is read by the loop that started it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded server")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def address_of(server: EmbeddedServer, database: str | None = None) -> Server:
    address: Server = msgspec.structs.asdict(server.dsn())
    return address if database is None else {**address, "database": database}


async def run_sql(server: Server, *statements: str) -> None:
    connection = await asyncpg.connect(**server)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def migrate(server: Server) -> None:
    store = PostgresStore(server)
    await store.open()
    await store.close()


def place_for_server() -> Path | None:
    """A file system in memory, if there is one with room.

    Each test makes and drops hundreds of files, and ext4 looks long for an inode that was not freed a moment ago.
    """
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The server, with the settings that users get, and a template that has the current schema."""
    with tempfile.TemporaryDirectory(prefix="postroom-tests-", dir=place_for_server()) as folder:
        yield from serve(Path(folder))


def serve(folder: Path) -> Iterator[Server]:
    thread = LoopThread()
    server = EmbeddedServer(folder)
    try:
        thread.run(server.start())
        address = address_of(server)
        thread.run(run_sql(address, f"CREATE DATABASE {TEMPLATE}"))
        thread.run(migrate({**address, "database": TEMPLATE}))
        yield address
    finally:
        thread.run(server.stop())
        thread.close()


@contextlib.asynccontextmanager
async def fresh_database(server: Server, template: str = TEMPLATE) -> AsyncIterator[Server]:
    """A copy of a database, dropped at the end. Its files are copied: writing it as log takes twice as long."""
    name = f"test_{next(_numbers)}"
    await run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield {**server, "database": name}
    await run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[Server]:
    """A database with the current schema, for one test alone."""
    async with fresh_database(postgres_server) as each:
        yield each


@pytest.fixture
async def empty_database(postgres_server: Server) -> AsyncIterator[Server]:
    """A database without any schema of ours."""
    async with fresh_database(postgres_server, "template1") as each:
        yield each


@pytest.fixture
async def admin(database: Server) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to the test's database, beside those of the store."""
    connection = await asyncpg.connect(**database)
    yield connection
    await connection.close(timeout=5)


@pytest.fixture
async def store(database: Server) -> AsyncIterator[PostgresStore]:
    """An open store that has the lease."""
    opened = PostgresStore(database)
    await opened.open()
    await opened.acquire_lease(uuid4())
    yield opened
    await opened.close()
