"""A message that finds an idle actor is handled without a coroutine of its own: nothing of it can be observed."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar
from typing import Any

import msgspec
import pytest

from actors import Actor, Ref
from tests.unit.arena import Arena, arena, cell_of, wait_until

COLOUR: ContextVar[str] = ContextVar("colour", default="none")


class Note(msgspec.Struct, weakref=True):
    text: str = ""


class Paint(msgspec.Struct):
    colour: str


class Wait(msgspec.Struct):
    until: asyncio.Event


class Crash(msgspec.Struct):
    """Raise (after changing a context variable), cancel the task it runs in, or be cancelled while it waits."""

    how: str


class Leave(msgspec.Struct):
    """Send oneself a note, then stop."""


class Scribe(Actor):
    lives = 0

    def __init__(self) -> None:
        Scribe.lives += 1
        self.seen: list[Any] = []

    async def note(self, note: Note) -> None:
        self.seen.append((note.text, COLOUR.get(), asyncio.current_task()))

    def paint(self, paint: Paint) -> None:
        COLOUR.set(paint.colour)

    async def wait(self, wait: Wait) -> None:
        before = asyncio.current_task()
        await wait.until.wait()
        self.seen.append(("waited", COLOUR.get(), asyncio.current_task()))
        assert asyncio.current_task() is before

    async def crash(self, crash: Crash) -> None:
        task = asyncio.current_task()
        assert task is not None
        if crash.how == "paint":
            COLOUR.set("red")
        if crash.how in {"paint", "raise"}:
            raise ValueError("scribe")
        task.cancel()
        if crash.how == "wait":
            await asyncio.sleep(0)

    async def leave(self, _: Leave) -> None:
        self.ctx.me.tell(Note("never read"))
        self.ctx.stop()


def scribe(ref: Ref) -> Scribe:
    instance = cell_of(ref).instance
    assert isinstance(instance, Scribe)
    return instance


def texts(ref: Ref) -> list[str]:
    return [text for text, _, _ in scribe(ref).seen]


async def alone(actors: Arena, ref: Ref, message: Any) -> None:
    """Tell it to an actor that is idle, and wait until it is idle again."""
    await wait_until(lambda: cell_of(ref).idle)
    ref.tell(message)
    await wait_until(lambda: cell_of(ref).idle and not actors.run_queue.ready)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Scribe.lives = 0


async def test_it_is_counted_and_leaves_no_mailbox_behind() -> None:
    async with arena() as actors:
        ref = await actors.make(Scribe, "s")
        for n in range(3):
            await alone(actors, ref, Note(str(n)))
        cell = cell_of(ref)
        assert texts(ref) == ["0", "1", "2"]
        assert cell.handled == 3
        assert (cell.mail, cell.inbox, cell.runner) == (None, None, None)


async def test_its_handler_suspends_alone_and_what_comes_meanwhile_is_handled_after_it() -> None:
    async with arena() as actors:
        one, other = [await actors.make(Scribe, name) for name in "ab"]
        until = asyncio.Event()
        one.tell(Wait(until))
        other.tell(Note("elsewhere"))
        await wait_until(lambda: texts(other))
        one.tell(Note("after"))
        assert texts(one) == []
        until.set()
        await wait_until(lambda: len(texts(one)) == 2)
        assert texts(one) == ["waited", "after"]
        assert scribe(one).seen[0][2] is not scribe(other).seen[0][2]


@pytest.mark.parametrize("how", ["raise", "cancel", "wait"])
async def test_it_crashes_its_actor_and_no_other(how: str) -> None:
    async with arena() as actors:
        one, other = [await actors.make(Scribe, name) for name in "ab"]
        one.tell(Crash(how))
        other.tell(Note("as usual"))
        await wait_until(lambda: texts(other) and cell_of(one).idle)
        await alone(actors, one, Note("again"))
        assert texts(one) == ["again"]
        assert Scribe.lives == (2 if how == "cancel" else 3)


async def test_what_it_changes_in_its_context_nobody_sees() -> None:
    async with arena() as actors:
        one, other = [await actors.make(Scribe, name) for name in "ab"]
        one.tell(Paint("red"))
        other.tell(Note())
        await alone(actors, one, Note())
        assert [scribe(ref).seen[0][1] for ref in (one, other)] == ["none", "none"]


async def test_what_it_changed_before_it_crashed_nobody_sees() -> None:
    async with arena() as actors:
        one, other = [await actors.make(Scribe, name) for name in "ab"]
        one.tell(Crash("paint"))
        other.tell(Note())
        await wait_until(lambda: texts(other) and cell_of(one).idle)
        await alone(actors, one, Note())
        assert [scribe(ref).seen[0][1] for ref in (one, other)] == ["none", "none"]


async def test_an_actor_that_stops_itself_handles_nothing_more() -> None:
    async with arena() as actors:
        ref = await actors.make(Scribe, "s")
        life = scribe(ref)
        ref.tell(Leave())
        await wait_until(lambda: cell_of(ref).instance is not life)
        assert life.seen == []


async def test_a_stop_waits_for_it_and_then_cancels_it() -> None:
    async with arena() as actors:
        ref = await actors.make(Scribe, "s")
        ref.tell(Wait(asyncio.Event()))
        await wait_until(lambda: cell_of(ref).runner)
        await cell_of(ref).stop(0.01)
        assert cell_of(ref).stopped
        await wait_until(lambda: actors.run_queue.lead is None)


async def test_it_is_let_go_when_it_has_been_handled() -> None:
    async with arena() as actors:
        one, other = [await actors.make(Scribe, name) for name in "ab"]
        note, until = Note("short-lived"), asyncio.Event()
        seen = weakref.ref(note)
        one.tell(note)
        other.tell(Note("another"))
        other.tell(Wait(until))
        del note
        await wait_until(lambda: cell_of(other).runner)
        gc.collect()
        assert seen() is None
        until.set()
