"""Timers, tasks, silence, stash, hanging handlers, children: all of it ends with the life that began it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import (
    ActorError,
    ActorStoppedError,
    HandlerHungError,
    Intensity,
    SpecError,
    Supervision,
)
from tests.unit.arena import AT_ONCE, arena, cell_of, wait_until
from tests.unit.clerk import (
    TRACE,
    Clerk,
    Do,
    Get,
    Note,
    close,
    crash,
    make_crash,
    notes_are,
    two,
    unstash,
)


@pytest.fixture(autouse=True)
def _forget() -> None:
    TRACE.clear()


# Timers and silence


async def test_a_timer_tells_once_and_a_periodic_one_again_and_again() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        await one.ask(Do(lambda clerk: clerk.ctx.schedule(Note("once"), after_seconds=0.0)))
        await notes_are(one, ["once"])
        timer = await one.ask(Do(lambda clerk: clerk.ctx.schedule(Note("again"), every_seconds=0.001)))
        await wait_until(lambda: len(cell_of(one).instance.notes) >= 4)  # type: ignore[union-attr]
        timer.cancel()
        timer.cancel()


@pytest.mark.parametrize("end", [crash, lambda clerk: clerk.ctx.restart()])
async def test_timers_and_tasks_end_with_the_life_that_began_them(end: Callable[[Any], None]) -> None:
    async with arena() as actors:
        one, running = await actors.make(Clerk, "a"), asyncio.Event()
        ended = []

        async def work() -> None:
            running.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("task")

        await one.ask(Do(lambda clerk: clerk.ctx.schedule(Note("never"), after_seconds=0.3)))
        await one.ask(Do(lambda clerk: clerk.ctx.start_task(work())))
        await running.wait()
        await asyncio.gather(one.ask(Do(end)), return_exceptions=True)
        assert await one.ask(Get()) == []
        assert ended == ["task"]
        later = await actors.make(Clerk, "later")
        await later.ask(Do(lambda clerk: clerk.ctx.schedule(Note("later"), after_seconds=0.31)))
        await notes_are(later, ["later"])
        assert await one.ask(Get()) == []


async def test_a_task_that_fails_crashes_its_actor() -> None:
    async def fail() -> None:
        raise KeyError("task")

    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        await one.ask(Do(lambda clerk: clerk.ctx.start_task(fail())))
        await wait_until(lambda: ("root/a", "restarted after KeyError") in TRACE)


@pytest.mark.parametrize(
    ("times", "field"),
    [({}, "after_seconds"), ({"after_seconds": -1}, "after_seconds"), ({"every_seconds": 0}, "every_seconds")],
)
async def test_a_timer_without_sense_is_refused(times: dict[str, float], field: str) -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a", Supervision(shutdown_seconds=0.2))
        with pytest.raises(SpecError) as caught:
            await one.ask(Do(lambda clerk: clerk.ctx.schedule(Note("x"), **times)))
        assert caught.value.field == field


async def test_silence_is_noticed_until_it_no_longer_matters() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        await one.ask(Do(lambda clerk: clerk.ctx.receive_timeout(0.01)))
        await notes_are(one, ["silence 0.01"])
        await one.ask(Do(lambda clerk: (clerk.ctx.receive_timeout(None), clerk.notes.clear())))
        later = await actors.make(Clerk, "later")
        await later.ask(Do(lambda clerk: clerk.ctx.schedule(Note("later"), after_seconds=0.02)))
        await notes_are(later, ["later"])
        assert await one.ask(Get()) == []


# Stash


async def test_stashed_messages_come_back_first_and_in_order() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        await one.ask(Do(close))
        for n in range(3):
            one.tell(Note(str(n)))
        opened = asyncio.ensure_future(one.ask(Do(unstash)))
        await asyncio.sleep(0)
        one.tell(Note("after"))
        await opened
        await notes_are(one, ["0", "1", "2", "after"])


async def test_stashed_messages_survive_a_crash() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        await one.ask(Do(close))
        one.tell(Note("kept"))
        await make_crash(one)
        await notes_are(one, ["kept"])


async def test_a_request_cannot_be_stashed() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        with pytest.raises(ActorError, match="cannot be stashed"):
            await one.ask(Do(lambda clerk: clerk.ctx.stash(Get())))


# Hanging


async def test_a_handler_that_hangs_is_cancelled_and_its_actor_restarted() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a", Supervision(backoff=AT_ONCE.backoff, hang_seconds=0.02))
        one.tell(Note("before"))
        with pytest.raises(HandlerHungError, match=r"root/a: the handler of \w+ made no progress for 0.02 s"):
            await one.ask(Do(lambda _: asyncio.sleep(60)))
        assert await one.ask(Get()) == []
        assert ("root/a", "restarted after HandlerHungError") in TRACE


async def test_children_end_before_their_parent_and_tasks_within_its_time() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        for name in "xy":
            await one.ask(Do(lambda clerk, name=name: clerk.ctx.spawn(Clerk, name)))  # type: ignore[misc]
        await cell_of(one).stop(1.0)
        assert TRACE == [("root/a/y", "stop"), ("root/a/x", "stop"), ("root/a", "stop")]


class HalfStarted(Clerk):
    async def on_start(self) -> None:
        await self.ctx.spawn(Clerk, "child")
        self.ctx.schedule(Note("never"), every_seconds=0.001)
        raise RuntimeError("half started")


class LateParent(Clerk):
    async def on_stop(self) -> None:
        try:
            await self.ctx.spawn(Clerk, "orphan")
        except ActorStoppedError as error:
            self.trace(str(error))


async def test_a_start_that_fails_leaves_neither_children_nor_timers() -> None:
    async with arena() as actors:
        with pytest.raises(RuntimeError, match="half started"):
            await actors.make(HalfStarted, "half")
        assert TRACE == [("root/half/child", "stop")]
        await actors.make(Clerk, "half")


async def test_nobody_gets_children_while_it_ends() -> None:
    async with arena() as actors:
        one = await actors.make(LateParent, "a")
        await cell_of(one).stop(1.0)
        assert TRACE == [("root/a", "root/a is ending and cannot have children any more")]


async def test_children_of_one_intensity_are_counted_together_and_others_apart() -> None:
    often = Supervision(intensity=Intensity(max_restarts=1000), backoff=AT_ONCE.backoff)
    async with arena() as actors:
        one, other = await two(actors)
        third = await actors.make(Clerk, "c", often)
        for _ in range(20):
            await make_crash(third)
        for ref in (one, other, one):
            await make_crash(ref)
        assert await one.ask(Get()) == []
        await make_crash(other)  # the fourth of the two
        await wait_until(lambda: actors.failures)
        assert "more than 3 restarts in 5 s, the last of 'b'" in str(actors.failures[0])
