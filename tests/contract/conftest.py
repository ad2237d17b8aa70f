"""Both stores behind one face, so that the same claims are tested of each."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from runtime.store.memory import MemoryStore
from runtime.store.memory_database import MemoryDatabase
from runtime.store.outbox import SqlConnection
from runtime.store.port import Store
from runtime.store.postgres import PostgresStore
from runtime.store.postgres.pool import Connection
from tests.postgres import END_SESSIONS, Server, fresh_database


class Backend:
    """One database; every `open_store` is another process that uses it."""

    def __init__(self) -> None:
        self._stores: list[Store] = []

    def make_store(self) -> Store:
        raise NotImplementedError

    async def end_session(self, store: Store) -> None:
        """End the session that holds a store's lease, from outside."""
        raise NotImplementedError

    async def connect(self) -> SqlConnection:
        """A connection of somebody else's, closed with the backend."""
        raise NotImplementedError

    async def open_store(self, *, lease: bool = True) -> Store:
        store = self.make_store()
        self._stores.append(store)
        await store.open()
        if lease:
            await store.acquire_lease(uuid4())
        return store

    async def close(self) -> None:
        for store in self._stores:
            await store.close()


class NoConnection:
    """What stands for a connection where there is no database."""

    async def execute(self, query: str, *args: Any) -> None:
        raise NotImplementedError


class MemoryBackend(Backend):
    def __init__(self) -> None:
        super().__init__()
        self._database = MemoryDatabase()

    def make_store(self) -> Store:
        return MemoryStore(self._database)

    async def connect(self) -> SqlConnection:
        return NoConnection()

    async def end_session(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.end_session()


class PostgresBackend(Backend):
    def __init__(self, server: Server, *, pooler: bool) -> None:
        super().__init__()
        self._server = server
        self._pooler = pooler
        self._connections: list[Connection] = []

    def make_store(self) -> Store:
        return PostgresStore(self._server, pooler=self._pooler)

    async def connect(self) -> SqlConnection:
        connection = await asyncpg.connect(**self._server)
        self._connections.append(connection)
        return connection

    async def close(self) -> None:
        await super().close()
        for connection in self._connections:
            await connection.close()

    async def end_session(self, store: Store) -> None:
        assert isinstance(store, PostgresStore)
        lease = store._fence.require()
        connection = await asyncpg.connect(**self._server)
        await connection.execute(f"{END_SESSIONS} WHERE m.incarnation = $1", lease.incarnation)
        await connection.close()


@pytest.fixture(params=["memory", "postgres", "pooler"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "memory":
            made: Backend = MemoryBackend()
        else:
            server = request.getfixturevalue("postgres_server")
            address = await stack.enter_async_context(fresh_database(server))
            made = PostgresBackend(address, pooler=request.param == "pooler")
        stack.push_async_callback(made.close)
        yield made


@pytest.fixture
async def store(backend: Backend) -> Store:
    """An open store that has the lease."""
    return await backend.open_store()
