"""Durable state of actors: what is stored is what the events that are done made of it."""

from __future__ import annotations

import asyncio
import re
from typing import Any, ClassVar

import msgspec
import pytest

from actors import (
    Actor,
    Backoff,
    Context,
    Finalizer,
    JobEnded,
    Request,
    RetryPolicy,
    SpecError,
    StateError,
    UnreadableStateError,
)
from runtime import App, Enqueue, Running
from runtime.store.postgres.pool import Connection
from runtime.store.records import DeadLetterFilter, DeadLetterView
from tests.apps import run, services_node
from tests.postgres import Server

QUICK = RetryPolicy(attempts=3, backoff=Backoff(initial_seconds=0.01, max_seconds=0.02))
TABLES = """
CREATE TABLE IF NOT EXISTS line (key text NOT NULL, n int NOT NULL);
CREATE TABLE IF NOT EXISTS parent (n int PRIMARY KEY);
CREATE TABLE IF NOT EXISTS child (n int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
"""


class Tally(msgspec.Struct):
    count: int = 0
    seen: list[int] = []
    note: str = ""


class Add(msgspec.Struct):
    n: int
    then: str = ""


class Count(Request[int]):
    pass


class Reset(Request[int]):
    pass


class Counter(Actor):
    state: Tally
    lives: ClassVar[list[int]] = []

    async def on_start(self) -> None:
        self.lives.append(self.state.count)

    async def add(self, add: Add) -> None:
        self.state.count += 1
        self.state.seen.append(add.n)
        await self._then(add)

    async def _then(self, add: Add) -> None:
        match add.then:
            case "raise once" if self.ctx.attempt == 1:
                raise RuntimeError("after the change")
            case "raise":
                raise RuntimeError("after the change")
            case "write":
                await self.db.execute("INSERT INTO line VALUES ($1, $2)", self.ctx.key, add.n)
            case "orphan":
                await self.db.execute("INSERT INTO child VALUES ($1)", add.n)
            case "grow":
                self.state.note = "x" * 5000
            case "spoil":
                self.state = add  # type: ignore[assignment]
            case "suspend":
                await asyncio.sleep(0)
            case _:
                pass

    async def count(self, _: Count) -> int:
        return self.state.count

    async def reset(self, _: Reset) -> int:
        await asyncio.sleep(0)
        self.state.count = 0
        return 0


@pytest.fixture(autouse=True)
def _forget() -> None:
    Counter.lives.clear()


def counter_app(actor: type[Actor] = Counter, **settings: Any) -> App:
    app = App("test")
    app.tables(TABLES)
    app.service("counters", actor, **{"keyed": True, "slots": 4, "retry": QUICK, **settings})
    return app


async def send(app: App, running: Running, *adds: Add, keys: int = 1) -> None:
    await app.enqueue_many(
        "counters", [Enqueue(message=add, tenant="t", key=f"k{index % keys}") for index, add in enumerate(adds)]
    )
    async with asyncio.timeout(30):
        await running.wait_idle("counters")


async def stored(running: Running, key: str = "k0") -> Tally | None:
    await running.machinery.journal.flush()
    states = await running.store.states("counters", [("t", key)])
    return msgspec.json.decode(states[0].payload, type=Tally) if states else None


async def dead(running: Running) -> list[DeadLetterView]:
    return await running.operations.dead_letters(DeadLetterFilter())


@pytest.mark.parametrize("chunk_size", [1, 7])
@pytest.mark.parametrize("then", ["", "write", "suspend"])
async def test_the_state_is_what_the_events_made_of_it(database: Server, chunk_size: int, then: str) -> None:
    app = counter_app(chunk_size=chunk_size)
    async with run(app, database) as running:
        await send(app, running, *(Add(n, then) for n in range(60)), keys=3)
        for key in range(3):
            assert await stored(running, f"k{key}") == Tally(20, list(range(key, 60, 3)))


async def test_it_is_there_again_in_the_next_run_before_the_first_hook(database: Server) -> None:
    for _ in range(2):
        app = counter_app()
        async with run(app, database) as running:
            await send(app, running, Add(1), Add(2))
            assert await app.ref("counters", tenant="t", key="k0").ask(Count()) == Counter.lives[-1] + 2
    assert Counter.lives == [0, 2]


@pytest.mark.parametrize("chunk_size", [1, 10])
@pytest.mark.parametrize("then", ["", "write"])
async def test_what_a_failing_handler_changed_is_undone(database: Server, chunk_size: int, then: str) -> None:
    app = counter_app(chunk_size=chunk_size)
    async with run(app, database) as running:
        await send(app, running, Add(1, then), Add(2, "raise"), Add(3, then), Add(4, "raise once"))
        assert await stored(running) == Tally(3, [1, 3, 4])
        assert [msgspec.json.decode(letter.event.payload)["n"] for letter in await dead(running)] == [2]


@pytest.mark.parametrize("chunk_size", [1, 10])
async def test_a_refused_commit_takes_the_state_back(database: Server, admin: Connection, chunk_size: int) -> None:
    app = counter_app(chunk_size=chunk_size, slots=1, retry=RetryPolicy(attempts=1))
    async with run(app, database) as running:
        adds = [Add(n, "orphan" if n == 4 else "write") for n in range(9)]
        await send(app, running, *adds, keys=3)
        assert await stored(running, "k0") == Tally(3, [0, 3, 6])
        assert await stored(running, "k1") == Tally(2, [1, 7])
        assert await app.ref("counters", tenant="t", key="k1").ask(Count()) == 2
        [letter] = await dead(running)
    assert "violates foreign key constraint" in letter.cause.message
    assert await admin.fetchval("SELECT count(*) FROM line") == 8


async def test_passivated_actors_have_their_state_again(database: Server) -> None:
    app = counter_app(instances=2, slots=2)
    async with run(app, database) as running:
        await send(app, running, *(Add(n) for n in range(200)), keys=20)
        for key in range(20):
            assert await stored(running, f"k{key}") == Tally(10, list(range(key, 200, 20)))
        instances = running.machinery.services["counters"].instances
        assert instances._states is not None
        assert instances._states._known.keys() == instances._cells.keys()
        assert len(instances) <= 4
    assert len(Counter.lives) > 20


async def test_states_of_many_actors_are_read_together(database: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    app = counter_app(slots=50)
    reads: list[int] = []
    async with run(app, database) as running:
        read = running.store.states

        async def counted(service: str, actors: Any) -> Any:
            reads.append(len(actors))
            return await read(service, actors)

        monkeypatch.setattr(running.store, "states", counted)
        await send(app, running, *(Add(n) for n in range(50)), keys=50)
    assert sum(reads) == 50
    assert len(reads) < 10


async def test_an_event_that_changes_nothing_writes_no_state(database: Server, admin: Connection) -> None:
    class Idle(Counter):
        async def add(self, add: Add) -> None: ...

    app = counter_app(Idle)
    async with run(app, database) as running:
        await send(app, running, Add(1), Add(2))
        assert await stored(running) is None


async def test_an_event_that_fails_over_its_result_leaves_the_state_as_it_was(database: Server) -> None:
    class Odd(Counter):
        async def add(self, add: Add) -> object:  # type: ignore[override]
            self.state.count += 1
            return object() if add.n == 2 else add.n

    class Closer(Actor):
        ended: ClassVar[list[str]] = []

        async def close(self, ended: JobEnded) -> None:
            self.ended.append(ended.outcome)

    app = counter_app(Odd, chunk_size=10, finalizer=Finalizer(service="closer"))
    app.service("closer", Closer)
    async with run(app, database) as running:
        await send(app, running, Add(1), Add(2), Add(3))
        assert await stored(running) == Tally(2)
        await running.wait_idle("closer")
    assert Closer.ended == ["completed", "failed", "completed"]


async def test_a_message_in_memory_may_look_and_not_touch(database: Server) -> None:
    app = counter_app()
    async with run(app, database) as running:
        await send(app, running, Add(1))
        ref = app.ref("counters", tenant="t", key="k0")
        with pytest.raises(StateError, match="enqueue an event instead"):
            await ref.ask(Reset())
        assert await ref.ask(Count()) == 1
        await send(app, running, Add(2))
        assert await stored(running) == Tally(2, [1, 2])


@pytest.mark.parametrize(
    ("then", "problem"),
    [("grow", r"state: is 5,\d+ bytes of JSON; max_state_bytes of counters is 4,000"), ("spoil", "must be a Tally")],
)
async def test_a_state_that_cannot_be_kept_fails_its_event_for_good(database: Server, then: str, problem: str) -> None:
    app = counter_app(max_state_bytes=4000)
    async with run(app, database) as running:
        await send(app, running, Add(1), Add(2, then), Add(3))
        assert await stored(running) == Tally(2, [1, 3])
        [letter] = await dead(running)
    assert letter.cause.type.endswith("UnsavableStateError")
    assert re.search(problem, letter.cause.message)
    assert msgspec.json.decode(letter.event.payload)["n"] == 2


class Stranger(Counter):
    """Knows a state that does not fit what is stored."""

    ran: ClassVar[list[int]] = []

    async def add(self, add: Add) -> None:
        self.ran.append(add.n)


class Wrong(msgspec.Struct):
    count: str = ""


class OtherCounter(Stranger):
    state: Wrong  # type: ignore[assignment]


async def test_an_actor_whose_state_does_not_decode_is_parked_and_nothing_is_overwritten(
    database: Server, admin: Connection
) -> None:
    app = counter_app()
    async with run(app, database) as running:
        await send(app, running, Add(1), Add(2), keys=2)
    other = counter_app(OtherCounter)
    async with run(other, database) as running:
        await admin.execute("DELETE FROM postroom.actor_state WHERE key = 'k1'")
        await send(other, running, Add(3), Add(4), Add(5), keys=2)
        with pytest.raises(UnreadableStateError, match=r"state\.count: Expected `str`, got `int`"):
            await other.ref("counters", tenant="t", key="k0").ask(Count())
        letters = await dead(running)
        assert services_node(running).children[0].state == "running"
        assert await stored(running) == Tally(1, [1])
    assert OtherCounter.ran == [4]
    assert sorted(msgspec.json.decode(letter.event.payload)["n"] for letter in letters) == [3, 5]
    assert all("state.count: Expected `str`, got `int`" in letter.cause.message for letter in letters)
    assert all(letter.event.attempt == 1 for letter in letters)


async def test_a_parked_actor_goes_on_when_its_state_was_mended(database: Server, admin: Connection) -> None:
    app = counter_app()
    async with run(app, database) as running:
        await send(app, running, Add(1))
    async with run(app, database) as running:
        await admin.execute("UPDATE postroom.actor_state SET payload = '[]'")
        await send(app, running, Add(2))
        [letter] = await dead(running)
        await admin.execute("UPDATE postroom.actor_state SET payload = '{\"count\": 5}'")
        await running.operations.replay(letter.event.id, by="ann")
        async with asyncio.timeout(30):
            await running.wait_idle("counters")
        assert await stored(running) == Tally(6, [2])


async def test_a_newer_version_upgrades_what_an_older_one_stored(database: Server, admin: Connection) -> None:
    class Doubled(Counter):
        state_version = 2

        @classmethod
        def upgrade_state(cls, version: int, raw: Any) -> Tally:
            return Tally(raw["count"] * 2 * version, raw["seen"])

    app = counter_app()
    async with run(app, database) as running:
        await send(app, running, Add(1), Add(2))
    newer = counter_app(Doubled)
    async with run(newer, database) as running:
        assert await newer.ref("counters", tenant="t", key="k0").ask(Count()) == 4
        await send(newer, running, Add(3))
        assert await stored(running) == Tally(5, [1, 2, 3])
    row = await admin.fetchrow("SELECT service, tenant, key, version, state ->> 'count' AS count FROM postroom.state")
    assert row is not None
    assert tuple(row) == ("counters", "t", "k0", 2, "5")


async def test_states_are_for_keyed_services_alone() -> None:
    with pytest.raises(SpecError, match=r"keyed: Counter has a durable state for each tenant and key; make it True"):
        App("test").service("counters", Counter)


async def test_a_spawned_child_has_no_durable_state(database: Server) -> None:
    refused: list[str] = []

    class Parent(Actor):
        async def add(self, add: Add) -> None:
            context: Context = self.ctx
            try:
                await context.spawn(Counter, f"child-{add.n}")
            except SpecError as error:
                refused.append(str(error))

    app = counter_app(Parent)
    async with run(app, database) as running:
        await send(app, running, Add(1))
    assert refused == ["actor: Counter has a durable state, which only actors of keyed services have"]
