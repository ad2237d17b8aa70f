from __future__ import annotations

import asyncio
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from runtime.errors import ConflictError, DatabaseUseError, LeaseLostError
from runtime.store.port import UnitOfWork
from runtime.store.postgres import PostgresStore
from runtime.store.records import Batch, Entry, Extras, StoredState
from tests.postgres import END_SESSIONS, Server
from tests.records import NOW, done, make_event, make_events

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

INSERT = "INSERT INTO booking (id) VALUES ($1)"


@pytest.fixture
async def booking(admin: Connection) -> Connection:
    """A table of the app's own."""
    await admin.execute(
        "CREATE TABLE booking (id int PRIMARY KEY, other int REFERENCES booking DEFERRABLE INITIALLY DEFERRED)"
    )
    return admin


async def bookings(admin: Connection) -> list[int]:
    return [row["id"] for row in await admin.fetch("SELECT id FROM booking ORDER BY id")]


async def book(unit: UnitOfWork, *ids: int) -> None:
    """One event that succeeds."""
    unit.begin_event()
    for each in ids:
        await unit.database.execute(INSERT, each)
    unit.keep_event()


async def pending(store: PostgresStore, entry: Entry) -> list[Entry]:
    return await store.read_pending(entry.queue, 0, 100)


@pytest.fixture
async def entry(store: PostgresStore) -> Entry:
    [stored] = await store.commit(Batch(events=[make_event()]))
    return stored


@pytest.mark.parametrize(
    "sql",
    ["BEGIN", "commit", " ROLLBACK", "rollback work", "END;", "ABORT", "START  TRANSACTION", "PREPARE TRANSACTION 'x'"],
)
async def test_a_handler_cannot_control_the_transaction(store: PostgresStore, booking: Connection, sql: str) -> None:
    unit = store.unit_of_work()
    await book(unit, 1)
    unit.begin_event()
    with pytest.raises(DatabaseUseError, match="transaction"):
        await unit.database.execute(sql)
    unit.undo_event()
    await unit.commit(Batch())
    assert await bookings(booking) == [1]


async def test_a_commit_inside_a_list_of_statements_fails_the_unit(
    store: PostgresStore, booking: Connection, entry: Entry
) -> None:
    unit = store.unit_of_work()
    await book(unit, 1)
    unit.begin_event()
    await unit.database.execute("INSERT INTO booking (id) VALUES (2); COMMIT")
    with pytest.raises(DatabaseUseError, match="ended the transaction"):
        await unit.database.execute(INSERT, 3)
    unit.keep_event()
    with pytest.raises(DatabaseUseError, match="ended the transaction"):
        await unit.commit(Batch(outcomes=[done(entry)]))
    assert not unit.lost
    assert await pending(store, entry) == [entry]


async def test_a_database_kept_after_the_event_is_refused(store: PostgresStore, booking: Connection) -> None:
    unit = store.unit_of_work()
    unit.begin_event()
    kept = unit.database
    await kept.execute(INSERT, 1)
    unit.keep_event()
    with pytest.raises(DatabaseUseError, match="after its handler"):
        await kept.execute(INSERT, 2)
    unit.begin_event()
    with pytest.raises(DatabaseUseError, match="after its handler"):
        await kept.execute(INSERT, 3)
    unit.undo_event()
    await unit.commit(Batch())
    with pytest.raises(DatabaseUseError, match="after its handler"):
        await unit.database.execute(INSERT, 4)
    assert await bookings(booking) == [1]


async def test_a_failed_statement_that_the_handler_swallowed_fails_the_unit(
    store: PostgresStore, booking: Connection, entry: Entry
) -> None:
    unit = store.unit_of_work()
    unit.begin_event()
    await unit.database.execute(INSERT, 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await unit.database.execute(INSERT, 1)
    unit.keep_event()
    with pytest.raises(DatabaseUseError, match="failed"):
        await unit.commit(Batch(outcomes=[done(entry)]))
    assert await bookings(booking) == []
    assert await pending(store, entry) == [entry]


async def test_an_event_after_one_that_swallowed_a_failure_is_told(store: PostgresStore, booking: Connection) -> None:
    unit = store.unit_of_work()
    await book(unit, 1)
    unit.begin_event()
    with pytest.raises(asyncpg.UniqueViolationError):
        await unit.database.execute(INSERT, 1)
    unit.keep_event()
    unit.begin_event()
    with pytest.raises(DatabaseUseError, match="unusable"):
        await unit.database.execute(INSERT, 2)
    unit.undo_event()
    with pytest.raises(DatabaseUseError, match="unusable"):
        await unit.commit(Batch())
    assert await bookings(booking) == []


async def test_a_deferred_constraint_is_raised_at_the_commit_and_nothing_is_written(
    store: PostgresStore, booking: Connection, entry: Entry
) -> None:
    for batch in (Batch(outcomes=[done(entry)]), Batch(outcomes=[done(entry)], events=[make_event()])):
        unit = store.unit_of_work()
        unit.begin_event()
        await unit.database.execute("INSERT INTO booking (id, other) VALUES (1, 99)")
        unit.keep_event()
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await unit.commit(batch)
    assert await bookings(booking) == []
    assert await pending(store, entry) == [entry]


async def test_effects_of_a_second_run_of_an_entry_are_not_kept(
    store: PostgresStore, booking: Connection, entry: Entry
) -> None:
    units = [store.unit_of_work(), store.unit_of_work()]
    for number, unit in enumerate(units):
        await book(unit, number)
    await units[0].commit(Batch(outcomes=[done(entry)]))
    with pytest.raises(ConflictError):
        await units[1].commit(Batch(outcomes=[done(entry)]))
    assert await bookings(booking) == [0]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
async def test_a_unit_that_began_before_a_takeover_cannot_commit(
    store: PostgresStore, booking: Connection, entry: Entry, database: Server, isolation: str
) -> None:
    await booking.execute(f"ALTER DATABASE {database['database']} SET default_transaction_isolation = '{isolation}'")
    unit = store.unit_of_work()
    await book(unit, 1)
    await booking.execute(END_SESSIONS)
    successor = PostgresStore(database)
    await successor.open()
    await successor.acquire_lease(uuid4())
    expected = LeaseLostError if isolation == "read committed" else asyncpg.SerializationError
    with pytest.raises(expected):
        await unit.commit(Batch(outcomes=[done(entry)]))
    assert await bookings(booking) == []
    assert await successor.read_pending(entry.queue, 0, 10) == [entry]
    await successor.close()


async def test_a_takeover_waits_for_a_commit_that_has_passed_the_fence(
    store: PostgresStore, booking: Connection, entry: Entry, database: Server
) -> None:
    lease = store._fence.lease
    assert lease is not None
    writer = booking
    await writer.execute("BEGIN")
    await writer.fetchval("SELECT postroom.enter($1, $2, $3, 0)", lease.incarnation, lease.epoch, None)
    await store._members.close()
    successor = PostgresStore(database)
    await successor.open()
    takeover = asyncio.ensure_future(successor.acquire_lease(uuid4()))
    observer = await asyncpg.connect(**database)
    while not await observer.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
        assert not takeover.done()
    await writer.execute("INSERT INTO postroom.outcome VALUES ($1, 1, 1, 1)", entry.seq)
    await writer.execute("COMMIT")
    await takeover
    assert await successor.read_pending(entry.queue, 0, 10) == []
    await observer.close()
    await successor.close()


async def test_a_statement_that_was_cancelled_leaves_the_unit_usable(store: PostgresStore, booking: Connection) -> None:
    unit = store.unit_of_work()
    await book(unit, 1)
    unit.begin_event()
    await unit.database.execute(INSERT, 2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await unit.database.execute("SELECT pg_sleep(30)")
    unit.undo_event()
    assert not unit.lost
    await book(unit, 3)
    await unit.commit(Batch())
    assert await bookings(booking) == [1, 3]


async def test_effects_outcome_and_emitted_events_are_committed_together(
    store: PostgresStore, booking: Connection, entry: Entry
) -> None:
    unit = store.unit_of_work()
    await book(unit, 1, 2)
    assert unit.opened
    assert await bookings(booking) == []
    [emitted] = await unit.commit(Batch(outcomes=[done(entry)], events=[make_event()]))
    assert await bookings(booking) == [1, 2]
    assert await pending(store, entry) == [emitted]


async def test_an_event_that_fails_rolls_back_itself_alone(store: PostgresStore, booking: Connection) -> None:
    unit = store.unit_of_work()
    for number, fails in enumerate([True, False, True, True, False, True]):
        unit.begin_event()
        await unit.database.execute(INSERT, number)
        if fails:
            with pytest.raises(asyncpg.UndefinedTableError):
                await unit.database.execute("SELECT * FROM nothing")
            unit.undo_event()
        else:
            unit.keep_event()
    await unit.commit(Batch())
    assert await bookings(booking) == [1, 4]


async def test_a_unit_whose_events_all_failed_still_commits_its_outcomes(
    store: PostgresStore, booking: Connection, entry: Entry
) -> None:
    unit = store.unit_of_work()
    unit.begin_event()
    await unit.database.execute(INSERT, 1)
    unit.undo_event()
    await unit.commit(Batch(outcomes=[done(entry)]))
    assert await bookings(booking) == []
    assert await pending(store, entry) == []


async def test_a_unit_without_statements_takes_no_connection(store: PostgresStore) -> None:
    unit = store.unit_of_work()
    unit.begin_event()
    unit.keep_event()
    unit.begin_event()
    unit.undo_event()
    assert not unit.opened
    assert not store._work._idle


async def test_a_rollback_gives_everything_up_in_the_middle_of_an_event(
    store: PostgresStore, booking: Connection
) -> None:
    unit = store.unit_of_work()
    await book(unit, 1)
    unit.begin_event()
    await unit.database.execute(INSERT, 2)
    await unit.rollback()
    await unit.rollback()
    assert await bookings(booking) == []


async def test_concurrent_statements_of_one_handler_run_one_after_another(
    store: PostgresStore, booking: Connection
) -> None:
    unit = store.unit_of_work()
    unit.begin_event()
    await asyncio.gather(*(unit.database.execute(INSERT, number) for number in range(5)))
    await unit.database.executemany(INSERT, [(5,), (6,)])
    assert await unit.database.fetchval("SELECT count(*) FROM booking") == 7
    row = await unit.database.fetchrow("SELECT max(id) AS newest FROM booking")
    assert row is not None
    assert row["newest"] == 6
    assert len(await unit.database.fetch("SELECT id FROM booking")) == 7
    unit.keep_event()
    await unit.commit(Batch())


async def test_a_handler_may_use_savepoints_of_its_own(store: PostgresStore, booking: Connection) -> None:
    unit = store.unit_of_work()
    unit.begin_event()
    await unit.database.execute(INSERT, 1)
    await unit.database.execute("SAVEPOINT mine")
    with pytest.raises(asyncpg.UniqueViolationError):
        await unit.database.execute(INSERT, 1)
    await unit.database.execute("ROLLBACK TO SAVEPOINT mine")
    await unit.database.execute(INSERT, 2)
    unit.keep_event()
    await unit.commit(Batch())
    assert await bookings(booking) == [1, 2]


async def test_settings_and_locks_of_a_handler_do_not_outlive_its_unit(database: Server) -> None:
    store = PostgresStore(database, work_connections=1)
    await store.open()
    await store.acquire_lease(uuid4())
    for _ in range(2):
        unit = store.unit_of_work()
        unit.begin_event()
        assert await unit.database.fetchval("SHOW work_mem") != "77MB"
        assert (
            await unit.database.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711")
            == 0
        )
        await unit.database.execute("SET work_mem = '77MB'")
        await unit.database.execute("SELECT pg_advisory_lock(4711)")
        unit.keep_event()
        await unit.commit(Batch())
    await store.close()


async def test_units_that_wait_for_a_connection_keep_nothing_from_being_recorded(
    database: Server, booking: Connection
) -> None:
    store = PostgresStore(database, work_connections=1)
    await store.open()
    await store.acquire_lease(uuid4())
    first, second = store.unit_of_work(), store.unit_of_work()
    await book(first, 1)
    waiting = asyncio.ensure_future(book(second, 2))
    assert len(await store.commit(Batch(events=make_events(3)))) == 3
    assert not waiting.done()
    await first.commit(Batch())
    await waiting
    await second.commit(Batch())
    assert await bookings(booking) == [1, 2]
    await store.close()


async def test_a_rollback_that_was_cancelled_gives_its_connection_back(database: Server, booking: Connection) -> None:
    store = PostgresStore(database, work_connections=1)
    await store.open()
    await store.acquire_lease(uuid4())
    unit = store.unit_of_work()
    await book(unit, 1)
    rolling_back = asyncio.ensure_future(unit.rollback())
    await asyncio.sleep(0)
    rolling_back.cancel()
    await asyncio.wait([rolling_back])
    assert rolling_back.cancelled()
    following = store.unit_of_work()
    await book(following, 2)
    await following.commit(Batch())
    assert await bookings(booking) == [2]
    await store.close()


async def test_states_are_committed_with_the_writes_of_the_handlers_or_not_at_all(
    store: PostgresStore, booking: Connection, entry: Entry
) -> None:
    actor = ("acme", "flight-1")
    state = StoredState("trips", *actor, 1, b"{}", NOW)
    batch = Batch(outcomes=[done(entry)], extras=Extras(states=[state]))
    refused = store.unit_of_work()
    await book(refused, 1)
    refused.begin_event()
    await refused.database.execute("INSERT INTO booking (id, other) VALUES (2, 99)")
    refused.keep_event()
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await refused.commit(batch)
    assert await store.states("trips", [actor]) == []
    unit = store.unit_of_work()
    await book(unit, 1)
    await unit.commit(batch)
    assert await store.states("trips", [actor]) == [state]
    assert await bookings(booking) == [1]
