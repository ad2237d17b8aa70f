"""Requests answered in the turn of who asks: nothing of it can be observed."""

from __future__ import annotations

import asyncio
import functools
import gc
import weakref
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from actors import Actor, Ref, Request
from tests.unit.arena import Arena, arena, cell_of

COLOUR: ContextVar[str] = ContextVar("colour", default="none")


class Look(Request[tuple[Any, str]]):
    """Which task it is, and which colour; answered by a plain function."""


class LookWrapped(Request[tuple[Any, str]]):
    """The same by a function that returns a coroutine."""


class Chain(Request[list[Any]]):
    """Ask the next ones the same; answered with everybody's task."""

    others: list[Ref]
    pause: bool = False


class GetBlob(Request[Any]):
    pass


class Fail(Request[None]):
    pass


class Blob:
    """Something large."""


def look() -> tuple[Any, str]:
    found = asyncio.current_task(), COLOUR.get()
    COLOUR.set("mine")
    return found


def eager(method: Callable[[Any, Any], Coroutine[Any, Any, Any]]) -> Callable[[Any, Any], Any]:
    """Does its part when the method is called, not when it is awaited."""

    @functools.wraps(method)
    def call(self: Any, request: Any) -> Coroutine[Any, Any, Any]:
        self.seen = look()
        return method(self, request)

    return call


class Looker(Actor):
    seen: tuple[Any, str]

    def look(self, _: Look) -> tuple[Any, str]:
        return look()

    async def chain(self, chain: Chain) -> list[Any]:
        if chain.pause:
            await asyncio.sleep(0)
        found: list[Any] = [asyncio.current_task()]
        if chain.others:
            theirs: list[Any] = await chain.others[0].ask(Chain(chain.others[1:], chain.pause))
            found += theirs
        assert asyncio.current_task() is found[0]
        return found

    async def get_blob(self, _: GetBlob) -> Any:
        return Blob()

    async def fail(self, _: Fail) -> None:
        raise ValueError("looker")


class Wrapped(Looker):
    """Has the decorated method as a handler."""

    @eager
    async def look_wrapped(self, _: LookWrapped) -> tuple[Any, str]:
        return self.seen


async def asked_inline(actors: Arena, ref: Ref, request: Request[Any]) -> Any:
    budget = actors.run_queue.inline_budget
    reply = await ref.ask(request)
    assert actors.run_queue.inline_budget == budget - 1, "it was not answered at once"
    return reply


@pytest.mark.parametrize("kind", [Look, LookWrapped])
async def test_what_runs_before_the_first_await_has_a_task_and_a_context_of_its_own(kind: type[Request[Any]]) -> None:
    async with arena() as actors:
        looker = await actors.make(Wrapped, "looker")
        COLOUR.set("askers")
        for _ in range(3):
            task, colour = await asked_inline(actors, looker, kind())
            assert colour == "askers"
            assert task is not None
            assert task is not asyncio.current_task()
        assert COLOUR.get() == "askers"


@pytest.mark.parametrize("pause", [False, True])
async def test_actors_that_ask_each_other_have_a_task_each(*, pause: bool) -> None:
    async with arena() as actors:
        first, *others = [await actors.make(Looker, f"l{n}") for n in range(5)]
        for _ in range(3):
            tasks = await first.ask(Chain(others, pause))
            assert len({*tasks, asyncio.current_task()}) == 6
        assert len(actors.run_queue.parked) + 1 <= 6


async def test_a_reply_is_kept_by_nobody_but_who_asked() -> None:
    async with arena() as actors:
        looker = await actors.make(Looker, "looker")
        blob = weakref.ref(await asked_inline(actors, looker, GetBlob()))
        gc.collect()
        assert blob() is None


async def test_a_crash_gives_the_runner_back() -> None:
    async with arena() as actors:
        looker = await actors.make(Looker, "looker")
        for _ in range(3):
            with pytest.raises(ValueError, match="looker"):
                await looker.ask(Fail())
            await looker.ask(GetBlob())
        assert cell_of(looker).record is not None
        assert len(actors.run_queue.parked) <= 1


async def test_an_ask_outside_of_any_task_is_answered_in_a_turn_of_its_own() -> None:
    async with arena() as actors:
        looker = await actors.make(Looker, "looker")
        loop, awaited = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        asking: Coroutine[Any, Any, Any] = looker.ask(GetBlob())
        loop.call_soon(lambda: awaited.set_result((asyncio.current_task(), asking.send(None))))
        nobody, reply = await awaited
        assert nobody is None
        assert isinstance(await reply, Blob)
        with pytest.raises(StopIteration):
            asking.send(None)
