from __future__ import annotations

import asyncio
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from runtime.errors import SchemaTooNewError
from runtime.store.postgres import PostgresStore
from runtime.store.postgres.migration import MIGRATIONS, Migration, Migrator
from runtime.store.records import Batch
from tests.postgres import Server, run_sql
from tests.records import NOW, died, make_event

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def open_once(server: Server, schema: str = "postroom") -> None:
    store = PostgresStore(server, schema=schema)
    try:
        await store.open()
    finally:
        await store.close()


async def write_once(server: Server, schema: str = "postroom") -> None:
    store = PostgresStore(server, schema=schema)
    await store.open()
    await store.acquire_lease(uuid4())
    assert len(await store.commit(Batch(events=[make_event()]))) == 1
    await store.close()


async def fetch(server: Server, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(**server)
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


async def test_a_newer_schema_is_refused_with_both_versions(database: Server) -> None:
    await run_sql(database, "INSERT INTO postroom.migration (version, name) VALUES (9999, 'from_the_future')")
    with pytest.raises(SchemaTooNewError, match=rf"9999.*{len(MIGRATIONS)}"):
        await open_once(database)


async def test_a_migration_that_fails_leaves_what_was_before(empty_database: Server) -> None:
    store = PostgresStore(empty_database)
    broken = Migration(len(MIGRATIONS) + 1, "broken", "CREATE TABLE {schema}.half (a int); SELECT 1 / 0")
    connection = await asyncpg.connect(**empty_database)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await Migrator(store._sql, "postroom", [*MIGRATIONS, broken]).migrate(connection)
    assert await connection.fetchval("SELECT max(version) FROM postroom.migration") == len(MIGRATIONS)
    assert await connection.fetchval("SELECT to_regclass('postroom.half')") is None
    await connection.close()


async def test_a_role_without_rights_is_told_by_the_server(empty_database: Server) -> None:
    await run_sql(empty_database, "CREATE ROLE nobody_special LOGIN")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await open_once({**empty_database, "user": "nobody_special"})
    finally:
        await run_sql(empty_database, "DROP ROLE nobody_special")


async def test_no_index_holds_what_each_save_of_a_state_changes(database: Server) -> None:
    """An update that changes no column of an index, nor of its condition, touches none: it stays in the row's page."""
    rows = await fetch(
        database,
        """
        SELECT DISTINCT a.attname
        FROM pg_index i
        JOIN pg_depend d ON d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid > 0
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE i.indrelid = 'postroom.actor_state'::regclass
        """,
    )
    assert {row["attname"] for row in rows} == {"queue", "key", "label", "ended_at"}


async def test_migrating_twice_changes_nothing(empty_database: Server) -> None:
    await open_once(empty_database)
    before = await fetch(empty_database, "SELECT * FROM postroom.migration")
    await open_once(empty_database)
    assert await fetch(empty_database, "SELECT * FROM postroom.migration") == before
    assert [row["name"] for row in before] == [migration.name for migration in MIGRATIONS]


async def test_processes_that_start_together_migrate_once(empty_database: Server) -> None:
    await asyncio.gather(*(open_once(empty_database) for _ in range(5)))
    rows = await fetch(empty_database, "SELECT version FROM postroom.migration")
    assert len(rows) == len(MIGRATIONS)


async def test_two_schemas_live_in_one_database_side_by_side(empty_database: Server) -> None:
    first = PostgresStore(empty_database, schema="user")
    await first.open()
    await first.acquire_lease(uuid4())
    await first.commit(Batch(events=[make_event()]))
    await write_once(empty_database, schema="other")
    assert len(await first.queues()) == 1
    await first.close()


async def test_a_role_without_superuser_needs_no_more_than_a_schema_of_its_own(empty_database: Server) -> None:
    await run_sql(empty_database, "CREATE ROLE plain LOGIN", "CREATE SCHEMA postroom AUTHORIZATION plain")
    try:
        await write_once({**empty_database, "user": "plain"})
    finally:
        await run_sql(empty_database, "DROP OWNED BY plain", "DROP ROLE plain")


async def test_people_can_read_events_in_a_view(store: PostgresStore, admin: Connection) -> None:
    event = make_event(payload=b'{"text":"a\\u0000b","big":1e999}')
    [entry, _] = await store.commit(Batch(events=[event, make_event(type="")]))
    await store.commit(died(entry))
    first, second = await admin.fetch("SELECT * FROM postroom.event ORDER BY seq")
    assert (first["service"], first["tenant"], first["key"], first["type"]) == ("trips", "acme", "flight-1", "Book")
    assert (first["attempt"], first["outcome"], first["error"]) == (1, "dead", "ValueError: no such flight")
    assert first["started_at"].timestamp() == NOW
    assert "big" in first["payload"]
    assert (second["outcome"], second["finished_at"]) == (None, None)
    assert await admin.fetchval("SELECT payload ->> 'seats' FROM postroom.event ORDER BY 1") == "2"


@pytest.mark.parametrize(
    "change", ["UPDATE postroom.audit SET actor = 'x'", "DELETE FROM postroom.audit", "TRUNCATE postroom.audit"]
)
async def test_the_audit_cannot_be_changed(store: PostgresStore, admin: Connection, change: str) -> None:
    event = make_event()
    [entry] = await store.commit(Batch(events=[event]))
    await store.commit(died(entry))
    await store.discard(event.id, by="ann", at=NOW, detail=None)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await admin.execute(change)
