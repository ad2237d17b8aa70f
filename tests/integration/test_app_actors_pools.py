"""Pools and keyed instances in a real app: who gets a message, and who is sent to rest."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, Bounded, MailboxFullError, Overflow, Request, SpecError
from runtime import App
from runtime.cells.routing import Routing, consistent_slot, shortest
from runtime.errors import InvalidInputError
from tests.apps import run
from tests.postgres import Server


class Note(msgspec.Struct):
    text: str


class WhoAreYou(Request[str]):
    pass


class Hold(Request[str]):
    pass


class Clerk(Actor):
    held: ClassVar[list[str]] = []
    release: ClassVar[asyncio.Event]
    stopped: ClassVar[list[str]] = []

    async def on_stop(self) -> None:
        self.stopped.append(self.ctx.me.path)

    def note(self, note: Note) -> None: ...

    def who(self, _: WhoAreYou) -> str:
        return self.ctx.me.path.rpartition("/")[2]

    async def hold(self, _: Hold) -> str:
        self.held.append(self.ctx.me.path)
        await self.release.wait()
        return self.who(WhoAreYou())


@pytest.fixture(autouse=True)
def _forget() -> None:
    Clerk.held.clear()
    Clerk.stopped.clear()
    Clerk.release = asyncio.Event()


def clerks(**settings: Any) -> App:
    app = App("test")
    app.service("clerks", Clerk, **settings)
    return app


async def test_the_shortest_mailbox_gets_the_message(database: Server) -> None:
    app = clerks(slots=3, routing=Routing.LEAST_MAILBOX)
    async with run(app, database):
        ref = app.ref("clerks")
        holding = [asyncio.create_task(ref.ask(Hold())) for _ in range(2)]
        async with asyncio.timeout(5):
            while len(Clerk.held) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert await ref.ask(WhoAreYou()) == "2"
        Clerk.release.set()
        assert sorted(await asyncio.gather(*holding)) == ["0", "1"]


async def test_one_key_stays_with_one_actor(database: Server) -> None:
    app = clerks(slots=4, routing=Routing.CONSISTENT_HASH)
    async with run(app, database):
        found = {}
        for key in map(str, range(20)):
            answers = {await app.ref("clerks", tenant="t", key=key).ask(WhoAreYou()) for _ in range(3)}
            [found[key]] = answers
        assert len(set(found.values())) == 4
        with pytest.raises(InvalidInputError, match="chooses by tenant and key"):
            app.ref("clerks").tell(Note("x"))


async def test_actors_of_keys_that_nobody_asks_for_are_sent_to_rest(database: Server) -> None:
    app = clerks(keyed=True, idle_seconds=0.02)
    async with run(app, database):
        ref = app.ref("clerks", tenant="t", key="a")
        for _ in range(2):
            assert await ref.ask(WhoAreYou()) == "t:a"
            async with asyncio.timeout(5):
                while not Clerk.stopped:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            Clerk.stopped.clear()


async def test_a_bounded_service_refuses_what_it_has_no_room_for(database: Server) -> None:
    app = clerks(slots=1, mailbox=Bounded(1, Overflow.REFUSE))
    async with run(app, database):
        ref = app.ref("clerks")
        holding = asyncio.create_task(ref.ask(Hold()))
        async with asyncio.timeout(5):
            while not Clerk.held:  # noqa: ASYNC110
                await asyncio.sleep(0)
        ref.tell(Note("1"))
        with pytest.raises(MailboxFullError, match="test/services/clerks/0: the mailbox is full"):
            ref.tell(Note("2"))
        with pytest.raises(MailboxFullError):
            await ref.send(Note("2"))
        Clerk.release.set()
        await holding


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"keyed": True, "routing": Routing.LEAST_MAILBOX}, "routing"),
        ({"idle_seconds": 1.0}, "idle_seconds"),
        ({"keyed": True, "idle_seconds": 0.0}, "idle_seconds"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError) as caught:
        clerks(**settings)
    assert caught.value.field == field


def test_more_slots_move_few_keys_and_only_to_the_new_ones() -> None:
    before = [consistent_slot("t", str(n), 10) for n in range(1000)]
    after = [consistent_slot("t", str(n), 11) for n in range(1000)]
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert 40 < len(moved) < 160
    assert {new for _, new in moved} == {10}
    assert all(60 < before.count(slot) < 140 for slot in range(10))


def test_the_first_of_the_shortest_is_taken() -> None:
    assert shortest([2, 1, 1]) == 1
