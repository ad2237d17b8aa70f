"""Events that join a transaction of somebody else's: by Python, and by the SQL function for any client or trigger."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import msgspec
import pytest

from actors import Actor, Finalizer, JobEnded, RetryPolicy
from runtime import App, Running
from runtime.durable.ids import IdSource, parse_id, timestamp_of
from runtime.errors import InvalidInputError, UnknownServiceError
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter
from tests.apps import run
from tests.postgres import Server


class Paid(msgspec.Struct):
    invoice: str


class Refunded(msgspec.Struct):
    invoice: str


class Ledger(Actor):
    seen: ClassVar[list[tuple[str, str | None, str]]] = []

    async def paid(self, paid: Paid) -> None:
        self.seen.append((str(self.ctx.tenant), self.ctx.key, paid.invoice))


class Both(Actor):
    async def paid(self, paid: Paid) -> None: ...
    async def refunded(self, refunded: Refunded) -> None: ...


class Closer(Actor):
    told: ClassVar[list[UUID]] = []

    async def close(self, ended: JobEnded) -> None:
        self.told.append(ended.job)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Ledger.seen.clear()
    Closer.told.clear()


def make_app() -> App:
    app = App("test")
    once = RetryPolicy(attempts=1)
    app.service("ledger", Ledger, retry=once)
    app.service("keyed", Ledger, keyed=True)
    app.service("both", Both)
    app.service("closer", Closer)
    return app


@pytest.fixture
async def other(database: Server) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(**database)
    yield connection
    await connection.close()


async def finish(running: Running, service: str = "ledger") -> None:
    async with asyncio.timeout(20):
        await running.wait_idle(service)


async def test_an_event_is_accepted_with_the_callers_own_transaction(database: Server, other: Connection) -> None:
    app = make_app()
    async with run(app, database) as running:
        await other.execute("CREATE TABLE invoice (name text)")
        async with other.transaction():
            await other.execute("INSERT INTO invoice VALUES ('A-1')")
            finalizer = Finalizer(service="closer")
            event_id = await app.enqueue(
                "ledger", Paid("A-1"), tenant="t", key="k", connection=other, finalizer=finalizer, by="ann"
            )
            await asyncio.sleep(0.2)
            assert Ledger.seen == []
        job = await app.job(event_id).wait(10)
        await finish(running, "closer")
    assert Ledger.seen == [("t", "k", "A-1")]
    assert (job.status, job.event.enqueued_by, job.event.type) == ("completed", "ann", "Paid")
    assert Closer.told == [event_id]


async def test_an_event_of_a_transaction_that_rolls_back_never_was(database: Server, other: Connection) -> None:
    app = make_app()
    async with run(app, database) as running:
        with contextlib.suppress(ZeroDivisionError):
            async with other.transaction():
                await app.enqueue("ledger", Paid("A-1"), tenant="t", connection=other)
                raise ZeroDivisionError
        await finish(running)
    assert Ledger.seen == []


async def test_a_long_transaction_of_a_caller_holds_nobody_up(database: Server, other: Connection) -> None:
    app = make_app()
    async with run(app, database), other.transaction():
        await app.enqueue("ledger", Paid("late"), tenant="new", connection=other)
        await other.execute("SELECT postroom.enqueue('ledger', 'new', '{\"invoice\": \"late\"}')")
        job = await app.submit("ledger", Paid("soon"), tenant="new")
        assert (await job.wait(10)).status == "completed"
    assert Ledger.seen == [("new", None, "soon")]


async def test_what_was_committed_while_no_app_ran_is_handled_at_the_next_start(
    database: Server, other: Connection
) -> None:
    for n in range(3):
        await other.execute("SELECT postroom.enqueue('ledger', 't', jsonb_build_object('invoice', $1::text))", f"{n}")
    async with run(make_app(), database) as running:
        await finish(running)
    assert [invoice for _, _, invoice in Ledger.seen] == ["0", "1", "2"]


async def test_a_trigger_enqueues_for_each_row(database: Server, other: Connection) -> None:
    async with run(make_app(), database) as running:
        await other.execute("""
            CREATE TABLE invoice (name text, tenant text);
            CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM postroom.enqueue('keyed', NEW.tenant, jsonb_build_object('invoice', NEW.name), key => NEW.name);
                RETURN NEW;
            END $$;
            CREATE TRIGGER tell AFTER INSERT ON invoice FOR EACH ROW EXECUTE FUNCTION tell();
            INSERT INTO invoice SELECT 'A-' || n, 't' || n % 3 FROM generate_series(1, 600) n;
        """)
        await finish(running, "keyed")
    assert sorted(invoice for _, _, invoice in Ledger.seen) == sorted(f"A-{n}" for n in range(1, 601))


async def test_a_job_of_the_outbox_has_a_status_at_once(database: Server, other: Connection) -> None:
    app = make_app()
    async with run(app, database) as running:
        running.machinery.backlog.shards = frozenset()  # nobody moves anything
        queued = await app.enqueue("ledger", Paid("A"), tenant="t", connection=other)
        later = await app.enqueue("ledger", Paid("A"), tenant="t", connection=other, delay_seconds=60)
        assert [await app.job(each).status() for each in (queued, later)] == ["queued", "holding"]


async def test_a_delay_counts_from_when_it_was_asked_for(database: Server, other: Connection) -> None:
    app = make_app()
    async with run(app, database) as running:
        before = time.time()
        text = await other.fetchval(
            "SELECT postroom.enqueue('ledger', 't', '{\"invoice\": \"A\"}', delay => '0.4 seconds')"
        )
        await finish(running)
        view = await app.job(text).view()
    assert view.started_at is not None
    assert view.started_at >= before + 0.4


async def test_an_id_of_the_callers_own_makes_it_harmless_to_repeat(database: Server, other: Connection) -> None:
    event_id = IdSource().new_id()
    app = make_app()
    async with run(app, database) as running:
        sql = "SELECT postroom.enqueue('ledger', 't', '{\"invoice\": \"A\"}', id => $1)"
        for _ in range(2):
            assert await other.fetchval(sql, event_id) == event_id
        await finish(running)
        assert await other.fetchval(sql, event_id) == event_id
        await app.enqueue("ledger", Paid("A"), tenant="t", id=event_id, connection=other)
        await finish(running)
    assert len(Ledger.seen) == 1


async def test_ids_made_in_sql_are_like_those_made_in_python(database: Server, other: Connection) -> None:
    rows = await other.fetch("SELECT postroom.new_id() AS id FROM generate_series(1, 200)")
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == 200
    for each in ids:
        assert parse_id(str(each)) == each
        assert abs(timestamp_of(each) - time.time()) < 60


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("'ledger', '', '{}'", "tenant: must not be empty"),
        ("'ledger', NULL, '{}'", "tenant: must not be null"),
        ("NULL, 't', '{}'", "service: must not be null"),
        ("'ledger', repeat('x', 201), '{}'", "tenant: has 201 characters; the limit is 200"),
        ("'ledger', E'a\\nb', '{}'", "tenant: must not contain control characters"),
        ("'ledger', E'a\\u0085', '{}'", "tenant: must not contain control characters"),
        ("'ledger', 't', '{}', key => ''", "key: must not be empty"),
        ("'ledger', 't', NULL", "payload: must be a JSON object"),
        ("'ledger', 't', '[1]'", "payload: must be a JSON object"),
        ("'ledger', 't', jsonb_build_object('x', repeat('x', 200))", "payload: is 209 bytes; the limit is 100"),
        ("'ledger', 't', '{}', delay => '61 seconds'", "delay: must be between 0 and 60 seconds, not 00:01:01"),
        ("'ledger', 't', '{}', delay => '-1 seconds'", "delay: must be between 0 and 60 seconds"),
        ("'ledger', 't', '{}', delay => NULL", "delay: must be between 0 and 60 seconds"),
        ("'ledger', 't', '{}', id => gen_random_uuid()", "id: must be a UUIDv7"),
    ],
)
async def test_the_sql_function_refuses_by_the_field(
    database: Server, other: Connection, arguments: str, problem: str
) -> None:
    async with run(make_app(), database, max_payload_bytes=100, max_delay_seconds=60.0):
        with pytest.raises(asyncpg.InvalidParameterValueError, match=re.escape(problem)):
            await other.execute(f"SELECT postroom.enqueue({arguments})")  # the test's own
    assert await other.fetchval("SELECT count(*) FROM postroom.outbox") == 0


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ("'nobody', 't', '{}'", "UnknownServiceError: no service is named 'nobody'"),
        ("'keyed', 't', '{\"invoice\": \"A\"}'", "InvalidInputError: key: is required"),
        ("'both', 't', '{\"invoice\": \"A\"}'", "InvalidInputError: type: is required"),
        (
            "'ledger', 't', '{\"invoice\": \"A\"}', type => 'Lost'",
            "type: ledger does not take 'Lost'",
        ),
        ("'ledger', 't', '{\"invoice\": 7}'", "UndecodableError: payload does not fit"),
    ],
)
async def test_what_no_service_takes_becomes_a_dead_letter(
    database: Server, other: Connection, arguments: str, cause: str
) -> None:
    app = make_app()
    async with run(app, database) as running:
        event_id = await other.fetchval(f"SELECT postroom.enqueue({arguments})")  # the test's own
        assert (await app.job(event_id).wait(10)).status == "failed"
        [letter] = await running.operations.dead_letters(DeadLetterFilter())
    assert letter.event.id == event_id
    assert cause in f"{letter.cause.type}: {letter.cause.message}"
    assert letter.event.enqueued_by.startswith("sql:")


async def test_execute_is_all_that_a_role_needs_and_it_is_named(
    database: Server, other: Connection, admin: Connection
) -> None:
    async with run(make_app(), database) as running:
        await admin.execute(
            "DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA postroom TO clerk"
        )
        try:
            await other.execute("SET SESSION AUTHORIZATION clerk")
            call = "SELECT postroom.enqueue('ledger', 't', '{\"invoice\": \"A\"}')"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await other.execute(call)
            granted = "postroom.enqueue(text, text, jsonb, text, text, interval, uuid)"
            await admin.execute(f"GRANT EXECUTE ON FUNCTION {granted} TO clerk")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await other.execute("DELETE FROM postroom.outbox")
            await other.execute(
                "CREATE TEMP TABLE outbox (id uuid); CREATE FUNCTION pg_temp.length(bytea) RETURNS int LANGUAGE sql AS"
                " 'SELECT 1/0'; SET search_path = pg_temp, public"
            )
            event_id = await other.fetchval(call)
            await finish(running)
            found = await running.operations.jobs.job(event_id)
            await other.execute("RESET SESSION AUTHORIZATION")
        finally:
            await admin.execute("DROP OWNED BY clerk; DROP ROLE clerk")
    assert (found.status, found.event.enqueued_by) == ("completed", "sql:clerk")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"service": "nobody"}, UnknownServiceError),
        ({"tenant": ""}, InvalidInputError),
        ({"delay_seconds": 601}, InvalidInputError),
        ({"signature": "once"}, InvalidInputError),
    ],
)
async def test_python_refuses_before_anything_is_sent(
    database: Server, other: Connection, fields: dict[str, Any], error: type[Exception]
) -> None:
    app = make_app()
    usual = {"service": "ledger", "message": Paid("A"), "tenant": "t"}
    async with run(app, database):
        with pytest.raises(error):
            await app.enqueue(**{**usual, **fields}, connection=other)
    assert await other.fetchval("SELECT count(*) FROM postroom.outbox") == 0


async def test_json_of_any_depth_and_script_arrives_as_it_was(database: Server, other: Connection) -> None:
    app = App("test")

    class Anything(Actor):
        seen: ClassVar[list[dict[str, Any]]] = []

        async def take(self, event: dict[str, Any]) -> None:
            self.seen.append(event)

    app.service("any", Anything)
    payload = {"text": "ä €  𝄞", "list": [1, 2.5, None, {"deep": [True]}]}
    async with run(app, database) as running:
        await other.execute("SELECT postroom.enqueue('any', 'ä €', $1)", json.dumps(payload))
        await finish(running, "any")
    assert Anything.seen == [payload]
