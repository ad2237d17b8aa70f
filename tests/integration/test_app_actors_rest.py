"""An actor of a key that ends, and its successor: never both at a time, and nothing is lost between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, Request, Restart, Supervision
from runtime import App, Running
from tests.apps import run
from tests.postgres import Server


class Note(msgspec.Struct):
    text: str


class Quit(msgspec.Struct):
    pass


class GetNotes(Request[list[str]]):
    pass


class Account(Actor):
    """Writes its notes down when it stops, which takes a while."""

    log: ClassVar[list[str]] = []
    stopping: ClassVar[asyncio.Event]
    release: ClassVar[asyncio.Event]

    async def on_start(self) -> None:
        self.log.append("start")
        self.notes: list[str] = []

    async def on_stop(self) -> None:
        self.log.append("stopping")
        self.stopping.set()
        await self.release.wait()
        self.log.append("stopped")

    async def note(self, note: Note) -> None:
        self.notes.append(note.text)
        self.log.append(note.text)

    def quit(self, _: Quit) -> None:
        self.ctx.stop()

    def get_notes(self, _: GetNotes) -> list[str]:
        return self.notes


@pytest.fixture(autouse=True)
def _forget() -> None:
    Account.log.clear()
    Account.stopping, Account.release = asyncio.Event(), asyncio.Event()


def accounts(**settings: Any) -> App:
    app = App("test")
    app.service("accounts", Account, **{"keyed": True, "slots": 4, **settings})
    return app


async def by_idleness(app: App) -> None:
    """Nothing to do: it is sent to rest."""


async def by_itself(app: App) -> None:
    app.ref("accounts", tenant="t", key="a").tell(Quit())


async def by_crowding(app: App) -> None:
    app.ref("accounts", tenant="t", key="b").tell(Note("other"))


ENDS = [(by_idleness, {"idle_seconds": 0.01}), (by_itself, {}), (by_crowding, {"instances": 1})]


@pytest.fixture(params=ENDS, ids=lambda end: end[0].__name__)
async def ending(request: pytest.FixtureRequest, database: Server) -> AsyncIterator[tuple[App, Running]]:
    """An app whose actor of key a is in its `on_stop`."""
    end, settings = request.param
    app = accounts(**settings)
    async with run(app, database) as running:
        await app.ref("accounts", tenant="t", key="a").ask(GetNotes())
        await end(app)
        async with asyncio.timeout(5):
            await Account.stopping.wait()
        yield app, running
        Account.release.set()


async def test_a_message_waits_until_the_predecessor_has_stopped(ending: tuple[App, Running]) -> None:
    app, _ = ending
    ref = app.ref("accounts", tenant="t", key="a")
    ref.tell(Note("1"))
    asking = asyncio.create_task(ref.ask(GetNotes()))
    await asyncio.sleep(0)
    Account.release.set()
    assert await asking == ["1"]
    own = [line for line in Account.log if line != "other"]
    assert own.index("stopping") < own.index("stopped") < own.index("1")
    assert "1" not in Account.log[: Account.log.index("stopped")]


async def test_an_event_waits_until_the_predecessor_has_stopped(ending: tuple[App, Running]) -> None:
    app, running = ending
    await app.enqueue("accounts", Note("event"), tenant="t", key="a")
    assert "event" not in Account.log
    Account.release.set()
    await running.wait_idle("accounts")
    assert Account.log.index("stopped") < Account.log.index("event")
    assert Account.log.count("event") == 1


async def test_a_rest_is_no_restart_and_the_next_message_finds_a_fresh_actor(database: Server) -> None:
    app = accounts()
    Account.release.set()
    async with run(app, database) as running:
        ref = app.ref("accounts", tenant="t", key="a")
        ref.tell(Note("1"))
        ref.tell(Quit())
        await until(lambda: len(running.machinery.services["accounts"].node().children) == 0)
        assert await ref.ask(GetNotes()) == []
        [node] = running.machinery.services["accounts"].node().children
        assert (node.name, node.restarts) == ("t:a", 0)


async def test_an_app_stops_while_an_actor_rests(database: Server) -> None:
    app = accounts(supervision=Supervision(shutdown_seconds=0.05))
    async with run(app, database):
        ref = app.ref("accounts", tenant="t", key="a")
        ref.tell(Quit())
        await Account.stopping.wait()
        ref.tell(Note("late"))
    assert Account.log == ["start", "stopping"]


async def test_a_temporary_actor_that_crashed_is_made_anew_by_the_next_message(database: Server) -> None:
    class Fragile(Actor):
        lives: ClassVar[int] = 0

        async def on_start(self) -> None:
            type(self).lives += 1

        def crash(self, _: Quit) -> None:
            raise RuntimeError("crash")

        def get_lives(self, _: GetNotes) -> list[str]:
            return [str(self.lives)]

    app = App("test")
    app.service("fragile", Fragile, keyed=True, supervision=Supervision(restart=Restart.TEMPORARY))
    async with run(app, database) as running:
        ref = app.ref("fragile", tenant="t", key="a")
        ref.tell(Quit())
        await until(lambda: not running.machinery.services["fragile"].node().children)
        assert await ref.ask(GetNotes()) == ["2"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)
