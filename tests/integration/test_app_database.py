"""Effects in the same database happen once: `self.db`, emitted events, chunks that share a transaction."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import asyncpg
import msgspec
import pytest

from actors import Actor, ActorError, Backoff, Context, RetryPolicy
from runtime import App, Enqueue, Running
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter
from tests.apps import run
from tests.postgres import Server

TABLES = """
CREATE TABLE IF NOT EXISTS line (n int NOT NULL, attempt int NOT NULL);
CREATE TABLE IF NOT EXISTS parent (n int PRIMARY KEY);
CREATE TABLE IF NOT EXISTS child (n int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
"""
INSERT = "INSERT INTO line VALUES ($1, $2)"


class Write(msgspec.Struct):
    n: int
    then: str = ""


class Note(msgspec.Struct):
    n: int


class Writer(Actor):
    kept: ClassVar[list[Context]] = []

    async def write(self, write: Write) -> None:
        await self.db.execute(INSERT, write.n, self.ctx.attempt)
        match write.then:
            case "raise":
                raise RuntimeError("after the write")
            case "orphan":
                await self.db.execute("INSERT INTO child VALUES ($1)", write.n)
            case "emit":
                self.ctx.emit("notes", Note(write.n))
            case "emit and raise":
                self.ctx.emit("notes", Note(write.n))
                raise RuntimeError("after the emit")
            case "bad sql":
                await self.db.execute("SELECT nothing FROM nowhere")
            case "commit":
                await self.db.execute("COMMIT")
            case "keep":
                self.kept.append(self.ctx)
            case _:
                pass


class Notes(Actor):
    seen: ClassVar[list[int]] = []

    async def note(self, note: Note) -> None:
        self.seen.append(note.n)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Writer.kept.clear()
    Notes.seen.clear()


def writer_app(chunk_size: int = 1, attempts: int = 1, slots: int = 4) -> App:
    app = App("test")
    app.tables(TABLES)
    quick = RetryPolicy(attempts=attempts, backoff=Backoff(initial_seconds=0.01, max_seconds=0.02))
    app.service("writes", Writer, slots=slots, chunk_size=chunk_size, retry=quick)
    app.service("notes", Notes)
    return app


async def send(app: App, running: Running, *writes: Write) -> None:
    await app.enqueue_many("writes", [Enqueue(message=write, tenant="t") for write in writes])
    async with asyncio.timeout(30):
        await running.wait_idle("writes")
        await running.wait_idle("notes")


async def lines(admin: Connection) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in await admin.fetch("SELECT n, attempt FROM line ORDER BY n, attempt")]


async def dead(running: Running) -> dict[int, str]:
    letters = await running.operations.dead_letters(DeadLetterFilter())
    return {msgspec.json.decode(letter.event.payload)["n"]: letter.cause.message for letter in letters}


@pytest.mark.parametrize("chunk_size", [1, 7, 50])
async def test_a_failing_event_rolls_back_itself_alone(database: Server, admin: Connection, chunk_size: int) -> None:
    app = writer_app(chunk_size)
    async with run(app, database) as running:
        await send(app, running, *(Write(n, "raise" if n % 5 == 0 else "") for n in range(100)))
        assert set(await dead(running)) == set(range(0, 100, 5))
    assert await lines(admin) == [(n, 1) for n in range(100) if n % 5]


@pytest.mark.parametrize("chunk_size", [1, 50])
async def test_a_retried_event_writes_once(database: Server, admin: Connection, chunk_size: int) -> None:
    class Flaky(Writer):
        async def write(self, write: Write) -> None:
            await self.db.execute(INSERT, write.n, self.ctx.attempt)
            if self.ctx.attempt < 3:
                raise RuntimeError("not yet")

    app = App("test")
    app.tables(TABLES)
    quick = RetryPolicy(attempts=3, backoff=Backoff(initial_seconds=0.01, max_seconds=0.02))
    app.service("writes", Flaky, chunk_size=chunk_size, retry=quick)
    async with run(app, database) as running:
        await app.enqueue_many("writes", [Enqueue(message=Write(n), tenant="t") for n in range(20)])
        async with asyncio.timeout(30):
            await running.wait_idle("writes")
    assert await lines(admin) == [(n, 3) for n in range(20)]


async def test_a_refused_commit_is_charged_to_the_event_that_caused_it(database: Server, admin: Connection) -> None:
    app = writer_app(chunk_size=50, slots=1)
    async with run(app, database) as running:
        await send(app, running, *(Write(n, "orphan" if n == 13 else "") for n in range(30)))
        causes = await dead(running)
    assert set(causes) == {13}
    assert "violates foreign key constraint" in causes[13]
    assert [n for n, _ in await lines(admin)] == [n for n in range(30) if n != 13]


@pytest.mark.parametrize("chunk_size", [1, 50])
async def test_an_event_whose_outcome_is_recorded_already_counts_as_recorded(
    database: Server, admin: Connection, chunk_size: int
) -> None:
    record = "INSERT INTO postroom.outcome SELECT seq, 1, 2, 1, NULL FROM postroom.event_log"

    class Late(Writer):
        async def write(self, write: Write) -> None:
            await self.db.execute(INSERT, write.n, self.ctx.attempt)
            if write.n == 3:
                await admin.execute(f"{record} WHERE seq = 4 ON CONFLICT DO NOTHING")

    app = App("test")
    app.tables(TABLES)
    app.service("writes", Late, chunk_size=chunk_size, slots=1)
    async with run(app, database) as running:
        await app.enqueue_many("writes", [Enqueue(message=Write(n), tenant="t") for n in range(6)])
        async with asyncio.timeout(30):
            await running.wait_idle("writes")
        assert await running.outcome_counts("writes", 0) == [("t", 6, 6, 0)]
        assert await dead(running) == {}
    assert [n for n, _ in await lines(admin)] == [0, 1, 2, 4, 5]


async def test_a_statement_that_fails_harms_no_other_event_of_its_chunk(database: Server, admin: Connection) -> None:
    app = writer_app(chunk_size=50, slots=1)
    async with run(app, database) as running:
        await send(app, running, *(Write(n, "bad sql" if n == 13 else "") for n in range(30)))
        assert 'relation "nowhere" does not exist' in (await dead(running))[13]
    assert len(await lines(admin)) == 29


async def test_a_handler_that_sends_commit_fails_with_a_word_about_it(database: Server, admin: Connection) -> None:
    app = writer_app()
    async with run(app, database) as running:
        await send(app, running, Write(1, "commit"), Write(2))
        assert "does not control its transaction" in (await dead(running))[1]
    assert await lines(admin) == [(2, 1)]


async def test_events_are_emitted_if_and_only_if_the_handler_succeeds(database: Server) -> None:
    app = writer_app(chunk_size=10)
    async with run(app, database) as running:
        await send(app, running, *(Write(n, "emit" if n % 2 else "emit and raise") for n in range(20)))
    assert sorted(Notes.seen) == list(range(1, 20, 2))


async def test_an_emitted_event_names_its_cause(database: Server, admin: Connection) -> None:
    app = writer_app()
    async with run(app, database) as running:
        cause = await app.enqueue("writes", Write(1, "emit"), tenant="t")
        async with asyncio.timeout(30):
            await running.wait_idle("writes")
            await running.wait_idle("notes")
    [row] = await admin.fetch("SELECT cause, enqueued_by FROM postroom.event_log WHERE cause IS NOT NULL")
    assert (row["cause"], row["enqueued_by"]) == (cause, "service:writes")


async def test_a_context_kept_beyond_its_handler_is_refused(database: Server) -> None:
    app = writer_app()
    async with run(app, database) as running:
        await send(app, running, Write(1, "keep"))
        [context] = Writer.kept
        with pytest.raises(ActorError, match="has ended"):
            context.emit("notes", Note(1))
        with pytest.raises(ActorError, match="has ended"):
            _ = context.db


async def test_a_handler_without_statements_opens_no_transaction(database: Server, admin: Connection) -> None:
    app = writer_app()
    async with run(app, database) as running:
        await app.enqueue("notes", Note(1), tenant="t")
        await running.wait_idle("notes")
        work = await admin.fetch(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'SAVEPOINT'"
            " AND pid <> pg_backend_pid()"
        )
    assert work == []


async def test_the_apps_tables_are_made_once_and_bad_sql_is_one_line(database: Server, admin: Connection) -> None:
    app = writer_app()
    for _ in range(2):
        async with run(app, database):
            pass
    broken = App("test")
    broken.tables("CREATE TABLE oops (")
    with pytest.raises(Exception, match=r"App\.tables: the database refused the SQL"):
        async with run(broken, database):
            pass
    with pytest.raises(asyncpg.UndefinedTableError):
        await admin.fetch("SELECT FROM oops")
