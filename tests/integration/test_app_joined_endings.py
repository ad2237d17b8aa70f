"""Ends of jobs that are handled in the commits of the jobs, and those that cannot be."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, CurrentEvent, Finalizer, JobEnded, RetryPolicy, SpecError, current_event
from runtime import App, Running
from runtime.core.policy import Policy, Scope
from runtime.store.records import DeadLetterFilter
from tests.apps import run
from tests.postgres import Server

TABLES = "CREATE TABLE IF NOT EXISTS effect (n int NOT NULL)"
ONCE = RetryPolicy(attempts=1)
TOLD = "SELECT count(*) FROM postroom.event WHERE service = 'sums' AND type = 'JobEnded'"


class Add(msgspec.Struct):
    n: int
    writes: bool = False


class Open(msgspec.Struct):
    waits: bool = False


class Total(msgspec.Struct):
    opened: int = 0
    sum: int = 0
    seen: list[int] = []


class Adder(Actor):
    async def add(self, add: Add) -> int:
        if add.writes:
            await self.db.execute("INSERT INTO effect VALUES ($1)", add.n)
        return add.n


class Sums(Actor):
    state: Total
    gate: ClassVar[asyncio.Event]
    fails: ClassVar[int] = 0

    async def open(self, opening: Open) -> None:
        if opening.waits:
            await Sums.gate.wait()
        self.state.opened += 1

    def ended(self, ended: JobEnded) -> None:
        self.state.sum += ended.result
        self.state.seen.append(ended.context["n"])
        if ended.result == 13 and Sums.fails:
            Sums.fails -= 1
            raise ValueError("unlucky")
        self.ctx.emit("notes", {"sum": self.state.sum}, idempotency_key=f"{self.ctx.key}")


class Notes(Actor):
    seen: ClassVar[list[tuple[str, int]]]

    async def note(self, note: dict[str, Any]) -> None:
        Notes.seen.append((self.ctx.idempotency_key or "", note["sum"]))


@pytest.fixture(autouse=True)
async def fresh() -> None:
    Sums.gate, Sums.fails, Notes.seen = asyncio.Event(), 0, []


def sums_app(**settings: Any) -> App:
    app = App("sums")
    app.tables(TABLES)
    app.service("adds", Adder, **{"chunk_size": 4, **settings})
    app.service("sums", Sums, keyed=True, joins_endings=True, retry=ONCE)
    app.service("notes", Notes)
    return app


async def add(app: App, *numbers: int, writes: bool = False) -> None:
    for n in numbers:
        finalizer = Finalizer(service="sums", key="k", context={"n": n})
        await app.enqueue("adds", Add(n, writes), tenant="acme", finalizer=finalizer)


async def settle(running: Running) -> None:
    for service in ("adds", "sums", "adds", "sums", "notes"):
        await running.wait_idle(service)


async def total(running: Running) -> Total:
    [state] = await running.machinery.store.states("sums", [("acme", "k")])
    return msgspec.json.decode(state.payload, type=Total)


async def awake(app: App, running: Running) -> None:
    await app.enqueue("sums", Open(), tenant="acme", key="k")
    await settle(running)


async def test_an_actor_at_rest_handles_the_end_in_the_commit_of_the_job(database: Server) -> None:
    app = sums_app()
    async with run(app, database) as running:
        await awake(app, running)
        await add(app, 1, 2, 3)
        await settle(running)
        assert await total(running) == Total(1, 6, [1, 2, 3])
        assert await running.database.fetchval(TOLD) == 0
        assert sorted(Notes.seen) == [("k", 1), ("k", 3), ("k", 6)]
        causes = "SELECT count(*) FROM postroom.event n JOIN postroom.event a ON a.id = n.cause"
        assert await running.database.fetchval(f"{causes} WHERE n.service = 'notes' AND a.service = 'adds'") == 3


async def test_where_the_actor_is_not_in_memory_it_is_told_by_an_event(database: Server) -> None:
    app = sums_app()
    async with run(app, database) as running:
        await add(app, 1)
        await settle(running)
        assert await running.database.fetchval(TOLD) == 1
        await add(app, 2)
        await settle(running)
        assert await running.database.fetchval(TOLD) == 1
        assert await total(running) == Total(0, 3, [1, 2])


async def test_a_job_that_writes_through_the_database_is_told_by_an_event(database: Server) -> None:
    app = sums_app()
    async with run(app, database) as running:
        await awake(app, running)
        await add(app, 1, writes=True)
        await settle(running)
        assert await running.database.fetchval(TOLD) == 1
        assert await total(running) == Total(1, 1, [1])


async def test_a_handler_that_fails_has_its_state_back_and_is_told_by_an_event_whose_failure_has_a_place(
    database: Server,
) -> None:
    app = sums_app()
    async with run(app, database) as running:
        await awake(app, running)
        Sums.fails = 2
        await add(app, 13)
        await settle(running)
        await add(app, 1)
        await settle(running)
        assert await total(running) == Total(1, 1, [1])
        [letter] = await running.operations.dead_letters(DeadLetterFilter())
        assert (letter.event.type, letter.cause.message) == ("JobEnded", "unlucky")
        await running.operations.replay(letter.event.id, by="ada")
        await settle(running)
        assert await total(running) == Total(1, 14, [1, 13])


async def test_an_actor_at_work_and_a_paused_tenant_are_told_by_events_in_their_order(database: Server) -> None:
    app = sums_app()
    async with run(app, database) as running:
        await awake(app, running)
        await app.enqueue("sums", Open(waits=True), tenant="acme", key="k")
        await add(app, 1)
        await running.wait_idle("adds")
        Sums.gate.set()
        await settle(running)
        assert await running.database.fetchval(TOLD) == 1
        await running.policies.change(Scope("sums", "acme"), Policy(state="paused"), by="ada", reason="a test")
        await add(app, 2)
        await running.wait_idle("adds")
        assert await running.database.fetchval(TOLD) == 2
        assert await total(running) == Total(2, 1, [1])
        await running.policies.change(Scope("sums", "acme"), Policy(state="active"), by="ada", reason="a test")
        await settle(running)
        assert await total(running) == Total(2, 3, [1, 2])


async def test_what_joined_is_there_after_a_restart(database: Server) -> None:
    app = sums_app()
    async with run(app, database) as running:
        await awake(app, running)
        await add(app, *range(1, 20))
        await settle(running)
    async with run(sums_app(), database) as running:
        assert await total(running) == Total(1, sum(range(1, 20)), list(range(1, 20)))


class Slow(Actor):
    state: Total

    async def ended(self, ended: JobEnded) -> None:
        self.state.sum += ended.result


@pytest.mark.parametrize("actor", [Slow, Adder])
def test_what_cannot_join_is_refused_when_the_service_is_declared(actor: type[Actor]) -> None:
    with pytest.raises(SpecError, match=f"joins_endings: {actor.__name__} needs a durable state and a plain handler"):
        App("test").service("sums", actor, keyed=True, joins_endings=True)


async def test_who_is_told_in_the_commit_of_a_job_knows_the_event_at_work(database: Server) -> None:
    known: list[CurrentEvent | None] = []

    class Asking(Sums):
        state: Total

        def ended(self, ended: JobEnded) -> None:
            known.append(current_event())

    app = App("sums")
    app.service("adds", Adder)
    app.service("sums", Asking, keyed=True, joins_endings=True)
    async with run(app, database) as running:
        await app.enqueue("sums", Open(), tenant="acme", key="k")
        await running.wait_idle("sums")
        finalizer = Finalizer(service="sums", key="k", context={"n": 1})
        job = await app.enqueue("adds", Add(1), tenant="acme", finalizer=finalizer)
        await running.wait_idle("adds")
        assert known == [CurrentEvent(job, "sums", "acme", "k")]
        assert await running.database.fetchval(TOLD) == 0
