"""Whose event is at work is known wherever its handler's messages, tasks and threads lead."""

from __future__ import annotations

import asyncio
from uuid import UUID

import msgspec
import pytest

from actors import Actor, Request, RetryPolicy, current_event
from runtime import App
from tests.apps import run
from tests.postgres import Server

EVENTS = 40
Seen = tuple[str, str, UUID] | None


class Order(msgspec.Struct):
    n: int


class Note(msgspec.Struct):
    n: int


class Ask(Request[Seen]):
    pass


def seen() -> Seen:
    event = current_event()
    return None if event is None else (event.service, event.tenant, event.id)


class Notes(Actor):
    """In memory: passes on what it is told, once."""

    told: list[tuple[int, Seen]]

    async def note(self, note: Note) -> None:
        if note.n >= 0:
            self.ctx.ref("notes").tell(Note(-note.n - 1))
        else:
            self.told.append((-note.n - 1, seen()))

    async def ask(self, _: Ask) -> Seen:
        return seen()


class Orders(Actor):
    found: dict[int, list[Seen]]

    async def order(self, order: Order) -> None:
        found = [seen()]
        self.ctx.ref("notes").tell(Note(order.n))
        found.append(await self.ctx.ref("notes").ask(Ask()))
        await asyncio.sleep(0)  # others take their turns
        found.append(await asyncio.to_thread(seen))
        found.append(await asyncio.create_task(asyncio.sleep(0, seen())))
        self.found[order.n] = [*found, seen()]
        if order.n % 5 == 0 and self.ctx.attempt == 1:
            raise ValueError("not yet")


class Count(msgspec.Struct):
    n: int = 0


class Counted(Actor):
    """Its state is saved with each event."""

    state: Count
    found: list[tuple[str, Seen]]

    async def order(self, order: Order) -> None:
        self.state.n += order.n
        await asyncio.sleep(0)
        self.found.append((self.ctx.key or "", seen()))


class Plain(Actor):
    found: list[Seen]

    def note(self, _: Note) -> None:
        self.found.append(seen())


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 7])
async def test_messages_tasks_and_threads_know_the_event_they_come_from(
    database: Server, chunk_size: int, *, keyed: bool
) -> None:
    Notes.told, Orders.found = [], {}
    app = App("test")
    app.service("notes", Notes)
    retry = RetryPolicy(attempts=2, intervals=(0.01,))
    app.service("orders", Orders, keyed=keyed, chunk_size=chunk_size, slots=8, retry=retry)
    async with run(app, database) as running:
        ids = [
            (await app.enqueue("orders", Order(n), tenant=f"t{n % 3}", key=f"k{n}" if keyed else None))
            for n in range(EVENTS)
        ]
        await running.wait_idle("orders")
        assert await app.ref("notes").ask(Ask()) is None
    expected: dict[int, Seen] = {n: ("orders", f"t{n % 3}", ids[n]) for n in range(EVENTS)}
    assert {n: set(found) for n, found in Orders.found.items()} == {n: {event} for n, event in expected.items()}
    assert len(Notes.told) == EVENTS + EVENTS // 5
    assert dict(Notes.told) == expected


@pytest.mark.parametrize("development", [False, True])
async def test_actors_with_state_know_it_in_development_too(database: Server, *, development: bool) -> None:
    Counted.found = []
    app = App("test")
    app.service("counted", Counted, keyed=True, slots=4)
    async with run(app, database, development=development) as running:
        ids = [await app.enqueue("counted", Order(n), tenant="acme", key=f"k{n % 3}") for n in range(9)]
        await running.wait_idle("counted")
    assert sorted(Counted.found) == sorted((f"k{n % 3}", ("counted", "acme", ids[n])) for n in range(9))


@pytest.mark.parametrize("development", [False, True])
async def test_an_actor_that_failed_over_an_event_remembers_nothing_of_it(
    database: Server, *, development: bool
) -> None:
    class Failing(Actor):
        def order(self, _: Order) -> None:
            raise ValueError("never")

        async def ask(self, _: Ask) -> Seen:
            return seen()

    app = App("test")
    app.service("failing", Failing, instances=1, retry=RetryPolicy(attempts=1))
    async with run(app, database, development=development) as running:
        await app.enqueue("failing", Order(1), tenant="acme")
        await running.wait_idle("failing")
        assert await app.ref("failing").ask(Ask()) is None


@pytest.mark.parametrize("development", [False, True])
async def test_plain_functions_know_it_too(database: Server, *, development: bool) -> None:
    Plain.found = []
    app = App("test")
    app.service("plain", Plain, chunk_size=5)
    async with run(app, database, development=development) as running:
        event = await app.enqueue("plain", Note(1), tenant="acme")
        await running.wait_idle("plain")
    assert Plain.found == [("plain", "acme", event)]
