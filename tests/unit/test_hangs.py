"""Handlers and hooks that make no progress within their limit."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from actors import Actor, ActorError, HandlerHungError, Request, Supervision
from tests.unit.arena import AT_ONCE, arena

LIMITED = Supervision(hang_seconds=0.02, backoff=AT_ONCE.backoff)


class Hold(Request[None]):
    pass


class CancelMe(Request[None]):
    pass


class Lives(Request[int]):
    pass


class Sleeper(Actor):
    lives: ClassVar[int] = 0
    ignores: ClassVar[int] = 0
    hangs: ClassVar[set[str]] = set()

    async def on_start(self) -> None:
        type(self).lives += 1
        await self._hang("on_start")

    async def on_stop(self) -> None:
        await self._hang("on_stop")

    async def hold(self, _: Hold) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if self.ignores <= 0:
                    raise
                type(self).ignores -= 1

    async def cancel_me(self, _: CancelMe) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    def count(self, _: Lives) -> int:
        return self.lives

    async def _hang(self, where: str) -> None:
        if where in self.hangs:
            self.hangs.remove(where)
            await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _forget() -> None:
    Sleeper.lives, Sleeper.ignores = 0, 0
    Sleeper.hangs.clear()


async def test_a_handler_that_ignores_its_cancellation_is_cancelled_again() -> None:
    async with arena() as actors:
        Sleeper.ignores = 2
        ref = await actors.make(Sleeper, "a", LIMITED)
        with pytest.raises(HandlerHungError, match="root/a: the handler of Hold made no progress for"):
            await ref.ask(Hold())
        assert (await ref.ask(Lives()), Sleeper.ignores) == (2, 0)


async def test_what_is_cancelled_from_within_later_is_not_called_a_hang() -> None:
    async with arena() as actors:
        ref = await actors.make(Sleeper, "a", LIMITED)
        with pytest.raises(HandlerHungError):
            await ref.ask(Hold())
        with pytest.raises(ActorError, match="the handler was cancelled from within"):
            await ref.ask(CancelMe())


async def test_a_first_start_that_hangs_has_failed() -> None:
    async with arena() as actors:
        Sleeper.hangs.add("on_start")
        with pytest.raises(HandlerHungError, match="root/a: the handler of a hook made no progress"):
            await actors.make(Sleeper, "a", LIMITED)


@pytest.mark.parametrize("hook", ["on_start", "on_stop"])
async def test_a_restart_whose_hook_hangs_goes_on(hook: str) -> None:
    async with arena() as actors:
        ref = await actors.make(Sleeper, "a", LIMITED)
        Sleeper.hangs.add(hook)
        with pytest.raises(HandlerHungError):
            await ref.ask(Hold())
        assert await ref.ask(Lives()) == (3 if hook == "on_start" else 2)
