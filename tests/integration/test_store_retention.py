"""What only the database shows of retention: partitions, their names, and what stands in their way."""

from __future__ import annotations

import asyncio
from itertools import islice

import asyncpg
import pytest

from runtime.durable.ids import IdSource
from runtime.errors import DatabaseRefusedError, StoreUnavailableError
from runtime.store.postgres import PostgresStore
from runtime.store.postgres.partitions import id_at, missing_events
from runtime.store.postgres.pool import Connection
from runtime.store.records import Batch, Event
from tests.integration.test_store_plans import rows_touched
from tests.postgres import Server, run_sql
from tests.records import NOW, done, make_event

PERIOD = 10.0


def events_at(time: float, count: int) -> list[Event]:
    ids = IdSource(lambda: time)
    return [make_event(id=ids.new_id(), accepted_at=time) for _ in range(count)]


async def rows_of(admin: Connection, table: str) -> int:
    return int(await admin.fetchval(f"SELECT count(*) FROM postroom.{table}"))


async def wait_for_blocked(admin: Connection) -> None:
    """Return once somebody waits for a lock of this connection."""
    while not await admin.fetchval(  # noqa: ASYNC110 # only the server knows
        "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    ):
        await asyncio.sleep(0.01)


async def tables(admin: Connection) -> list[str]:
    names = await admin.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_p[0-9]+$' ORDER BY relname"
    )
    return [row["relname"] for row in names]


async def test_events_stored_before_their_partition_move_into_it(store: PostgresStore, admin: Connection) -> None:
    entries = await store.commit(Batch(events=events_at(NOW, 300)))
    await store.commit(Batch(outcomes=[done(entry) for entry in entries[:100]]))
    assert await rows_of(admin, "event_log_default") == 300
    await store.extend_log(NOW, PERIOD, 1000)
    assert await rows_of(admin, "event_log_default") == 0
    assert await store.read_pending(entries[0].queue, 0, 500) == entries[100:]
    later = await store.commit(Batch(events=events_at(NOW, 5)))
    await store.commit(Batch(outcomes=[done(entry) for entry in later]))
    assert await rows_of(admin, "event_log_default") == 0
    assert await rows_of(admin, "outcome_default") == 100, "their numbers were given before the first partition"


@pytest.mark.parametrize("count", [1, 2, 300])
async def test_an_event_whose_partition_is_made_at_the_same_moment_can_be_stored_again(
    store: PostgresStore, admin: Connection, count: int
) -> None:
    batch = Batch(events=events_at(NOW, count))
    [making] = islice(missing_events([], NOW, PERIOD), 1)
    async with admin.transaction():
        await store._maintenance._make(admin, "event_log", making)
        storing = asyncio.create_task(store.commit(batch))
        await wait_for_blocked(admin)
    with pytest.raises(StoreUnavailableError, match="a partition was made meanwhile"):
        await storing
    assert len(await store.commit(batch)) == count
    assert await rows_of(admin, "event_log_default") == 0


async def test_outcomes_that_outran_their_partition_move_into_the_next(store: PostgresStore, admin: Connection) -> None:
    await store.extend_log(NOW, PERIOD, 10)
    entries = await store.commit(Batch(events=events_at(NOW, 100)))
    await store.commit(Batch(outcomes=[done(entry) for entry in entries]))
    assert await rows_of(admin, "outcome_default") > 0
    await store.extend_log(NOW, PERIOD, 10)
    assert await rows_of(admin, "outcome_default") == 0
    assert await rows_of(admin, "outcome") == 100


async def test_both_logs_shrink_to_nothing_when_all_has_aged(store: PostgresStore, admin: Connection) -> None:
    first = await store.commit(Batch(events=events_at(NOW - PERIOD * 3, 30)))
    await store.commit(Batch(outcomes=[done(entry) for entry in first]))
    for step in range(4):
        await store.extend_log(NOW + step * PERIOD, PERIOD, 10)
        entries = await store.commit(Batch(events=events_at(NOW + step * PERIOD, 50)))
        await store.commit(Batch(outcomes=[done(entry) for entry in entries]))
        await store.advance_watermarks({entries[-1].queue: entries[-1].seq})
    before = await tables(admin)
    await store.expire(NOW + 100 * PERIOD)
    assert await rows_of(admin, "event_log") == 0
    assert await rows_of(admin, "outcome") <= 50, "the partition in use stays"
    assert len(await tables(admin)) < len(before)


async def test_one_event_without_outcome_holds_back_its_own_partition_alone(
    store: PostgresStore, admin: Connection
) -> None:
    for step in range(3):
        await store.extend_log(NOW + step * PERIOD, PERIOD, 10)
        stuck = [make_event(id=events_at(NOW, 1)[0].id, tenant="stuck")] if step == 0 else []
        entries = await store.commit(Batch(events=[*stuck, *events_at(NOW + step * PERIOD, 50)]))
        entries = entries[len(stuck) :]
        await store.commit(Batch(outcomes=[done(entry) for entry in entries]))
        await store.advance_watermarks({entries[-1].queue: entries[-1].seq})
    await store.expire(NOW + 100 * PERIOD)
    assert await rows_of(admin, "event_log") == 51
    assert await rows_of(admin, "outcome") < 150


async def test_a_long_query_puts_off_the_drop_and_holds_up_nobody(
    store: PostgresStore, admin: Connection, database: Server
) -> None:
    await store.extend_log(NOW, PERIOD, 10)
    entries = await store.commit(Batch(events=events_at(NOW, 5)))
    await store.commit(Batch(outcomes=[done(entry) for entry in entries]))
    await store.advance_watermarks({entries[-1].queue: entries[-1].seq})
    reader = await asyncpg.connect(**database)
    async with reader.transaction():
        await reader.fetch("SELECT * FROM postroom.event")
        with pytest.raises(StoreUnavailableError, match="lock"):
            await store.expire(NOW + 1000)
        assert len(await store.commit(Batch(events=events_at(NOW, 1)))) == 1
    await reader.close()
    assert await rows_of(admin, "event_log") == 6


async def test_a_role_that_does_not_own_the_tables_is_told(database: Server, admin: Connection) -> None:
    await run_sql(
        database,
        "CREATE ROLE tenant_role LOGIN",
        "GRANT USAGE ON SCHEMA postroom TO tenant_role",
        "GRANT ALL ON ALL TABLES IN SCHEMA postroom TO tenant_role",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA postroom TO tenant_role",
    )
    other = PostgresStore({**database, "user": "tenant_role"})
    try:
        await other.open()
        with pytest.raises(DatabaseRefusedError, match="role that owns"):
            await other.extend_log(NOW, PERIOD, 10)
    finally:
        await other.close()
        await run_sql(database, "DROP OWNED BY tenant_role", "DROP ROLE tenant_role")


async def test_two_processes_do_not_get_in_each_others_way(
    store: PostgresStore, admin: Connection, database: Server
) -> None:
    other = PostgresStore(database)
    await other.open()
    async with admin.transaction():
        await admin.execute("SELECT pg_advisory_xact_lock(hashtext('\"postroom\"'), 4)")
        await other.extend_log(NOW, PERIOD, 10)
        assert await tables(admin) == []
    await other.extend_log(NOW, PERIOD, 10)
    await store.extend_log(NOW, PERIOD, 10)
    made = await tables(admin)
    assert len(made) == 3
    await asyncio.gather(*(each.extend_log(NOW + 2 * PERIOD, PERIOD, 10) for each in (store, other) * 3))
    drops = [each.expire(NOW + PERIOD * 9) for each in (store, other) * 3]
    for result in await asyncio.gather(*drops, return_exceptions=True):
        assert isinstance(result, int | StoreUnavailableError), result
    await store.expire(NOW + PERIOD * 9)
    assert [name for name in await tables(admin) if name.startswith("event_log")] == []
    await other.close()


FILL = """
INSERT INTO postroom.queue (service, tenant) SELECT 'trips', 't' || n FROM generate_series(1, 20) n;
INSERT INTO postroom.event_log (id, seq, accepted_at, queue, attempt, shard, type, payload, enqueued_by)
SELECT (lpad(to_hex($1::bigint + n), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
       n, n, 1 + n % 20, 1, 1, 'Book', '{}', 'tests' FROM generate_series(1, 40000) n;
"""


async def test_reading_pending_entries_looks_at_the_ends_of_indexes_in_every_partition(
    store: PostgresStore, admin: Connection
) -> None:
    for step in range(5):
        await store.extend_log(NOW + step * PERIOD, PERIOD, 10_000 * (step + 1))
    queues, events = FILL.strip().split(";\n")
    await admin.execute(queues)
    await admin.execute(events.rstrip(";").replace("$1", str(int(NOW * 1000))))
    await admin.execute(
        "INSERT INTO postroom.outcome (seq, started_at, finished_at, kind)"
        " SELECT n, 1, 1, 1 FROM generate_series(1, 40000) n WHERE n % 5 > 0; ANALYZE"
    )
    assert await rows_of(admin, "event_log_default") == 0
    planner = await store._system.acquire()
    try:
        assert await rows_touched(planner, store._sql["read_pending"], 1, 0, 50, None) <= 50 * 7 + 20
        assert await rows_touched(planner, store._sql["queues"]) <= 20 + 20 * 10
        in_range = (id_at(int(NOW * 1000)), id_at(int((NOW + PERIOD) * 1000)))
        partition = next(name for name in await tables(admin) if name.startswith("event_log"))
        asked = store._sql["events_have_ended"].replace("{partition}", partition)
        assert await rows_touched(planner, asked, *in_range) <= 50
        assert await rows_touched(planner, store._sql["outcomes_are_orphans"], 1, 10_000) <= 250
    finally:
        store._system.release(planner)
