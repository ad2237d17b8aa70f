"""An idle actor of a class that does nothing when it is made has no instance yet: nobody can tell."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Self

import msgspec
import pytest

from actors import Actor, Ref, Request, Restart, Supervision, Terminated
from tests.unit.arena import arena, cell_of, wait_until

FOR_ONCE = Supervision(restart=Restart.TEMPORARY)


class Count(Request[int]):
    pass


class Add(msgspec.Struct):
    n: int


class Watch(Request[None]):
    ref: Ref


class LinkThenCrash(msgspec.Struct):
    ref: Ref


class Bare(Actor):
    total = 0

    async def add(self, message: Add) -> None:
        self.total += message.n

    async def count(self, _: Count) -> int:
        return self.total


class Watcher(Bare):
    async def watch(self, message: Watch) -> None:
        self.ctx.watch(message.ref)

    async def terminated(self, _: Terminated) -> None:
        self.total += 1

    async def link(self, message: LinkThenCrash) -> None:
        self.ctx.link(message.ref)
        raise ValueError("watcher")


class Prepared(Bare):
    def __init__(self) -> None:
        self.total = 7


class Careful(Bare):
    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)


class Made(Bare):
    def __new__(cls) -> Self:
        return super().__new__(cls)


class Started(Bare):
    async def on_stop(self) -> None: ...


class Abstract(Bare, ABC):
    @abstractmethod
    def shape(self) -> str: ...


@pytest.mark.parametrize("actor", [Prepared, Careful, Made, Started])
async def test_what_a_class_does_when_it_is_made_it_does_at_once(actor: type[Actor]) -> None:
    async with arena() as actors:
        assert type(cell_of(await actors.make(actor, "a")).instance) is actor


async def test_a_class_that_cannot_be_made_is_an_error_for_who_spawns_it() -> None:
    async with arena() as actors:
        with pytest.raises(TypeError, match="abstract"):
            await actors.make(Abstract, "a")
        assert not actors.root.children


@pytest.mark.parametrize("inline", [True, False])
async def test_the_first_message_finds_an_instance_whether_told_or_asked(*, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        told, asked = [await actors.make(Bare, name) for name in "ab"]
        assert [cell_of(ref).instance for ref in (told, asked)] == [None, None]
        since = cell_of(told).since
        told.tell(Add(3))
        assert await told.ask(Count()) == 3
        assert await asked.ask(Count()) == 0
        assert cell_of(told).since == since
        assert cell_of(told).record is None


async def test_one_without_an_instance_is_idle_stops_and_is_watched_like_any_other() -> None:
    async with arena() as actors:
        watcher = await actors.make(Watcher, "watcher")
        bare = await actors.make(Bare, "bare")
        assert cell_of(bare).idle
        assert cell_of(bare).node().state == "idle"
        await watcher.ask(Watch(bare))
        await cell_of(bare).stop(1.0)
        await wait_until(lambda: cell_of(watcher).idle)
        assert await watcher.ask(Count()) == 1


@pytest.mark.parametrize("supervision", [None, FOR_ONCE])
async def test_a_crash_of_who_is_linked_to_it_is_a_crash_of_its_own(supervision: Supervision | None) -> None:
    async with arena() as actors:
        bare = await actors.make(Bare, "bare", supervision)
        linked = await actors.make(Watcher, "linked")
        linked.tell(LinkThenCrash(bare))
        await wait_until(lambda: cell_of(bare).record)
        await asyncio.sleep(0)
        assert (cell_of(bare).last_reason or "").startswith("LinkedActorError")
        assert cell_of(bare).stopped is (supervision is FOR_ONCE)
