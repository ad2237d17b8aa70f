"""Development mode: asks that would wait for each other are refused, handlers that block are named."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from actors import Actor, AskCycleError, Request
from runtime.cells.run_queue import RunQueue
from tests.unit.arena import arena, cell_of, wait_until


class Ask(Request[str]):
    """Ask the first of the others to ask the rest."""

    others: list[Any]
    later: bool = False


class Sleep(Request[None]):
    seconds: float
    blocking: bool = False


class Peer(Actor):
    answers: list[str]

    async def ask(self, ask: Ask) -> str:
        if not ask.others:
            return "the end"
        asking = ask.others[0].ask(Ask(ask.others[1:], ask.later), timeout_seconds=0.5)
        if ask.later:
            self.task = asyncio.get_running_loop().create_task(asking)
            return "later"
        return await asking  # type: ignore[no-any-return]

    async def sleep(self, sleep: Sleep) -> None:
        if sleep.blocking:
            time.sleep(sleep.seconds)  # noqa: ASYNC251 # what this is about
        else:
            await asyncio.sleep(sleep.seconds)


async def test_a_cycle_of_asks_is_refused_with_its_path() -> None:
    async with arena(development=True) as actors:
        a, b, c = [await actors.make(Peer, name) for name in "abc"]
        with pytest.raises(AskCycleError, match="root/a -> root/b -> root/c -> root/a") as caught:
            await a.ask(Ask([b, c, a]))
        assert caught.value.cycle == ("root/a", "root/b", "root/c", "root/a")


async def test_an_actor_that_asks_itself_is_refused() -> None:
    async with arena(development=True) as actors:
        a = await actors.make(Peer, "a")
        with pytest.raises(AskCycleError, match="root/a -> root/a"):
            await a.ask(Ask([a]))


async def test_a_cycle_that_begins_with_a_message_told_is_refused_too() -> None:
    async with arena(development=True) as actors:
        a, b = await actors.make(Peer, "a"), await actors.make(Peer, "b")
        a.tell(Ask([b, a]))
        await wait_until(lambda: cell_of(a).last_reason)
        assert cell_of(a).last_reason.startswith("AskCycleError")  # type: ignore[union-attr]


async def test_a_chain_of_asks_that_ends_is_none_of_that() -> None:
    async with arena(development=True) as actors:
        a, b, c = [await actors.make(Peer, name) for name in "abc"]
        assert await a.ask(Ask([b, c])) == "the end"
        assert list(await asyncio.gather(a.ask(Ask([c])), b.ask(Ask([c])))) == ["the end", "the end"]


async def test_an_ask_that_outlives_its_handler_waits_for_nobody() -> None:
    async with arena(development=True) as actors:
        a, b = await actors.make(Peer, "a"), await actors.make(Peer, "b")
        assert await a.ask(Ask([b, a], later=True)) == "later"
        task = cell_of(a).instance.task  # type: ignore[union-attr]
        assert await task == "later"


async def test_otherwise_a_cycle_ends_in_a_timeout() -> None:
    async with arena() as actors:
        a, b = await actors.make(Peer, "a"), await actors.make(Peer, "b")
        with pytest.raises(TimeoutError):
            await a.ask(Ask([b, a]), timeout_seconds=0.02)


async def test_a_handler_that_blocks_is_named_with_its_line() -> None:
    async with arena(development=True) as actors:
        a = await actors.make(Peer, "a")
        await a.ask(Sleep(0.3))
        await a.ask(Sleep(0.3, blocking=True))
        watch = actors.run_queue.development
        assert watch is not None
        [error] = [found for found in watch.found if found.seconds >= 0.3]
        assert error.path == "root/a"
        assert "Peer.sleep" in str(error)
        assert "test_ref_development.py:" in str(error)


async def test_debug_mode_is_development_mode() -> None:
    asyncio.get_running_loop().set_debug(True)
    try:
        assert RunQueue().development is not None
        assert RunQueue(development=False).development is None
    finally:
        asyncio.get_running_loop().set_debug(False)
