"""Connections that end, and servers that die and come back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from runtime.embedded import EmbeddedServer
from runtime.errors import DatabaseRefusedError, StoreUnavailableError
from runtime.store.postgres import PostgresStore
from runtime.store.records import Batch, Entry
from tests.postgres import Server, address_of
from tests.records import done, make_event, make_events

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

END_ALL = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'postroom'"


@pytest.fixture
async def entry(store: PostgresStore) -> Entry:
    [stored] = await store.commit(Batch(events=[make_event()]))
    return stored


async def failure(call: Callable[[], Awaitable[object]]) -> Exception:
    """Repeat a call until it fails: children of a dead server may answer for a moment."""
    while True:
        try:
            await call()
        except Exception as error:  # noqa: BLE001 # the test looks at it
            return error


async def available(store: PostgresStore) -> None:
    """Wait until the store answers."""
    while True:
        try:
            await store.queues()
        except StoreUnavailableError:
            await asyncio.sleep(0)
        else:
            return


async def test_a_server_that_does_not_run_is_unavailable(tmp_path: Path) -> None:
    for server in ({"host": str(tmp_path)}, {"host": "127.0.0.1", "port": 1}):
        store = PostgresStore(server)
        with pytest.raises(StoreUnavailableError):
            await store.open()
        await store.close()


async def test_a_database_that_does_not_exist_is_told_in_one_line(postgres_server: Server) -> None:
    for server in ({**postgres_server, "database": "nowhere"}, {**postgres_server, "user": "stranger"}, "mysql://host"):
        store = PostgresStore(server)
        with pytest.raises(DatabaseRefusedError, match="check its address"):
            await store.open()
        await store.close()


async def test_too_many_connections_are_a_passing_trouble(database: Server, admin: Connection) -> None:
    await admin.execute(f"ALTER DATABASE {database['database']} CONNECTION LIMIT 0")
    await admin.execute("CREATE ROLE plain LOGIN")
    store = PostgresStore({**database, "user": "plain"})
    with pytest.raises(StoreUnavailableError):
        await store.open()
    await admin.execute("DROP ROLE plain")
    await store.close()


async def test_a_connection_ended_between_events_loses_the_unit_and_no_event(
    store: PostgresStore, admin: Connection, entry: Entry
) -> None:
    await admin.execute("CREATE TABLE booking (id int PRIMARY KEY)")
    unit = store.unit_of_work()
    unit.begin_event()
    await unit.database.execute("INSERT INTO booking VALUES (1)")
    unit.keep_event()
    await admin.execute(END_ALL)
    unit.begin_event()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, StoreUnavailableError)):
        await unit.database.execute("INSERT INTO booking VALUES (2)")
    unit.undo_event()
    assert unit.lost
    with pytest.raises(StoreUnavailableError):
        await unit.commit(Batch(outcomes=[done(entry)]))
    await available(store)
    assert await admin.fetchval("SELECT count(*) FROM booking") == 0
    assert await store.read_pending(entry.queue, 0, 10) == [entry]


async def test_a_connection_ended_during_a_statement_loses_the_unit(
    store: PostgresStore, admin: Connection, entry: Entry
) -> None:
    unit = store.unit_of_work()
    unit.begin_event()
    sleeping = asyncio.ensure_future(unit.database.execute("SELECT pg_sleep(30)"))
    while not await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
        assert not sleeping.done()
    await admin.execute(END_ALL)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await sleeping
    unit.undo_event()
    assert unit.lost
    await unit.rollback()
    await available(store)


async def test_a_connection_ended_before_the_commit_writes_nothing(
    store: PostgresStore, admin: Connection, entry: Entry
) -> None:
    await admin.execute("CREATE TABLE booking (id int PRIMARY KEY)")
    unit = store.unit_of_work()
    unit.begin_event()
    await unit.database.execute("INSERT INTO booking VALUES (1)")
    unit.keep_event()
    await admin.execute(END_ALL)
    with pytest.raises(StoreUnavailableError):
        await unit.commit(Batch(outcomes=[done(entry)]))
    assert await admin.fetchval("SELECT count(*) FROM booking") == 0


async def test_idle_connections_that_ended_are_replaced(store: PostgresStore, admin: Connection, entry: Entry) -> None:
    await asyncio.gather(*(store.queues() for _ in range(4)))
    await admin.execute(END_ALL)
    await available(store)
    assert len(await store.commit(Batch(events=make_events(2)))) == 2


async def test_a_commit_cut_short_by_an_operator_can_be_tried_again(
    store: PostgresStore, admin: Connection, entry: Entry
) -> None:
    await admin.execute("BEGIN")
    await admin.execute("LOCK TABLE postroom.outcome IN EXCLUSIVE MODE")
    writing = asyncio.ensure_future(store.commit(Batch(outcomes=[done(entry)])))
    waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'postroom.outcome'::regclass"
    while not (pid := await admin.fetchval(waiting)):
        assert not writing.done()
    await admin.execute("SELECT pg_cancel_backend($1)", pid)
    with pytest.raises(StoreUnavailableError):
        await writing
    await admin.execute("ROLLBACK")
    await store.commit(Batch(outcomes=[done(entry)]))


async def test_a_commit_whose_caller_was_cancelled_leaves_the_store_usable(
    store: PostgresStore, admin: Connection, entry: Entry
) -> None:
    await admin.execute("BEGIN")
    await admin.execute("LOCK TABLE postroom.outcome IN EXCLUSIVE MODE")
    writing = [asyncio.ensure_future(store.commit(Batch(outcomes=[done(entry)]))) for _ in range(6)]
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'postroom.outcome'::regclass"
    while await admin.fetchval(waiting) < 4:
        assert not any(each.done() for each in writing)
    for each in writing:
        each.cancel()
    await asyncio.wait(writing)
    await admin.execute("ROLLBACK")
    await store.commit(Batch(outcomes=[done(entry)]))
    assert await store.read_pending(entry.queue, 0, 10) == []


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server of the test's own, to be killed."""
    made = EmbeddedServer(tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_the_store_survives_the_death_of_its_server(server: EmbeddedServer) -> None:
    store = PostgresStore(address_of(server))
    incarnation = uuid4()
    await store.open()
    await store.acquire_lease(incarnation)
    [entry] = await store.commit(Batch(events=[make_event()]))
    unit = store.unit_of_work()
    unit.begin_event()
    await unit.database.execute("CREATE TABLE booking (id int)")
    lease_lost = asyncio.ensure_future(store.wait_lease_lost())

    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait_exit()
    assert await lease_lost
    assert isinstance(await failure(store.queues), StoreUnavailableError)
    assert not isinstance(await failure(lambda: unit.database.execute("SELECT 1")), AssertionError)
    unit.undo_event()
    assert unit.lost
    await unit.rollback()
    with pytest.raises(StoreUnavailableError):
        await store.acquire_lease(incarnation)

    await server.start()
    await store.acquire_lease(incarnation)
    assert await store.read_pending(entry.queue, 0, 10) == [entry]
    assert len(await store.commit(Batch(outcomes=[done(entry)], events=make_events(2)))) == 2
    assert await store.read_pending(entry.queue, 0, 1) != [entry]
    await store.close()


async def test_the_store_survives_a_restart_of_its_server(server: EmbeddedServer) -> None:
    store = PostgresStore(address_of(server))
    incarnation = uuid4()
    await store.open()
    await store.acquire_lease(incarnation)
    [entry] = await store.commit(Batch(events=[make_event()]))
    await server.stop()
    with pytest.raises(StoreUnavailableError):
        await store.queues()
    await server.start()
    await store.open()
    await store.acquire_lease(incarnation)
    assert await store.read_pending(entry.queue, 0, 10) == [entry]
    await store.close()
