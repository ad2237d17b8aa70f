"""What a crash and the life after it do, and what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar

import msgspec
import pytest

from actors import Actor, Request
from tests.unit.arena import arena, cell_of, wait_until

COLOUR: ContextVar[str] = ContextVar("colour", default="none")


class Fail(msgspec.Struct):
    """Told to raise `error`."""

    error: type[Exception]


class GetColours(Request[list[str]]):
    pass


class UnshowableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("this one cannot even say what it is")


class Painter(Actor):
    """Starts with a pause and a context variable of its own."""

    lives = 0

    async def on_start(self) -> None:
        Painter.lives += 1
        COLOUR.set("red")
        await asyncio.sleep(0)
        self.colours = [COLOUR.get()]
        COLOUR.set("blue")

    async def fail(self, message: Fail) -> None:
        raise message.error("on\n  purpose")

    async def tell_colours(self, _: GetColours) -> list[str]:
        return [*self.colours, COLOUR.get()]


async def test_a_hook_goes_on_in_its_own_context_after_a_pause_and_leaves_it_to_nobody() -> None:
    async with arena() as actors:
        painter = await actors.make(Painter, "painter")
        assert await painter.ask(GetColours()) == ["red", "none"]
        painter.tell(Fail(ValueError))
        assert await painter.ask(GetColours()) == ["red", "none"]
        assert COLOUR.get() == "none"


async def test_the_reason_of_a_crash_is_on_record_in_one_line_and_its_exception_is_let_go() -> None:
    seen: list[weakref.ref[BaseException]] = []

    class WatchedError(Exception):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            seen.append(weakref.ref(self))

    async with arena() as actors:
        painter = await actors.make(Painter, "painter")
        painter.tell(Fail(WatchedError))
        await painter.ask(GetColours())
        assert cell_of(painter).last_reason == "WatchedError: on purpose"
        gc.collect()
        assert [reference() for reference in seen] == [None]


async def test_an_exception_that_cannot_show_itself_restarts_its_actor_and_keeps_its_type() -> None:
    async with arena() as actors:
        painter = await actors.make(Painter, "painter")
        painter.tell(Fail(UnshowableError))
        await painter.ask(GetColours())
        assert cell_of(painter).last_reason == "UnshowableError"


async def test_a_long_reason_is_cut() -> None:
    class LongError(Exception):
        def __str__(self) -> str:
            return "x" * 10_000

    async with arena() as actors:
        painter = await actors.make(Painter, "painter")
        painter.tell(Fail(LongError))
        await painter.ask(GetColours())
        reason = cell_of(painter).last_reason
        assert reason is not None
        assert len(reason) < 400
        assert reason.endswith("…")


class Stubborn(Actor):
    """Its hook waits for ever, unless it is cancelled."""

    cancelled = False

    async def on_start(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            Stubborn.cancelled = True
            raise


async def test_a_hook_that_pauses_is_cancelled_where_it_waits_when_the_actor_is_stopped() -> None:
    async with arena() as actors:
        starting = asyncio.create_task(actors.make(Stubborn, "stubborn"))
        await wait_until(lambda: actors.root.children)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert Stubborn.cancelled
