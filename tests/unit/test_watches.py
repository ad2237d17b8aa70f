"""Watches, links, and how an actor ends or restarts itself."""

from __future__ import annotations

import pytest

from actors import (
    ActorStoppedError,
    LinkedActorError,
    Supervision,
    UnhandledMessageError,
)
from tests.unit.arena import arena, cell_of, wait_until
from tests.unit.clerk import (
    TEMPORARY,
    TRACE,
    TRANSIENT,
    Clerk,
    Deaf,
    Do,
    Get,
    Note,
    make_crash,
    notes_are,
    two,
)


@pytest.fixture(autouse=True)
def _forget() -> None:
    TRACE.clear()


# Watching


async def test_a_watcher_is_told_once_when_the_watched_has_stopped() -> None:
    async with arena() as actors:
        one, other = await two(actors)
        for _ in range(2):
            await one.ask(Do(lambda clerk: clerk.ctx.watch(other)))
        await make_crash(other)  # it is restarted, so it has not ended
        await cell_of(other).stop(1.0)
        await notes_are(one, ["root/b None"])


async def test_watching_the_dead_tells_at_once_and_why() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        other = await actors.make(Clerk, "b", TEMPORARY)
        await make_crash(other)
        await wait_until(lambda: cell_of(other).stopped)
        await one.ask(Do(lambda clerk: clerk.ctx.watch(other)))
        await notes_are(one, ["root/b ValueError: clerk"])


async def test_who_no_longer_watches_is_not_told() -> None:
    async with arena() as actors:
        one, other = await two(actors)
        await one.ask(Do(lambda clerk: (clerk.ctx.watch(other), clerk.ctx.unwatch(other))))
        await cell_of(other).stop(1.0)
        await notes_are(one, [])


async def test_to_watch_without_a_handler_for_the_notice_is_refused() -> None:
    async with arena() as actors:
        deaf, other = await actors.make(Deaf, "deaf"), await actors.make(Clerk, "b")
        with pytest.raises(UnhandledMessageError, match="root/deaf: no handler of Deaf takes Terminated"):
            await deaf.ask(Do(lambda actor: actor.ctx.watch(other)))


async def test_a_restart_ends_what_the_life_before_watched() -> None:
    async with arena() as actors:
        one, other = await two(actors)
        await one.ask(Do(lambda clerk: clerk.ctx.watch(other)))
        await make_crash(one)
        await cell_of(other).stop(1.0)
        await notes_are(one, [])


# Links


async def test_the_crash_of_one_is_the_crash_of_who_is_linked() -> None:
    async with arena() as actors:
        one, other = await two(actors)
        await one.ask(Do(lambda clerk: clerk.ctx.link(other)))
        await make_crash(other)
        await wait_until(lambda: ("root/a", "restarted after LinkedActorError") in TRACE)
        assert await one.ask(Get()) == []


async def test_an_orderly_end_crashes_nobody() -> None:
    async with arena() as actors:
        one, other = await two(actors)
        await one.ask(Do(lambda clerk: clerk.ctx.link(other)))
        await cell_of(other).stop(1.0)
        assert await one.ask(Get()) == []
        assert TRACE == [("root/b", "stop")]


async def test_to_link_with_the_dead_is_an_error() -> None:
    async with arena() as actors:
        one, other = await two(actors)
        await cell_of(other).stop(1.0)
        with pytest.raises(LinkedActorError, match="root/b, crashed: it has stopped already"):
            await one.ask(Do(lambda clerk: clerk.ctx.link(other)))


# Stopping and restarting oneself


@pytest.mark.parametrize("supervision", [TRANSIENT, TEMPORARY])
async def test_a_child_that_may_end_stops_itself(supervision: Supervision) -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a", supervision)
        await one.ask(Do(lambda clerk: clerk.ctx.stop()))
        await wait_until(lambda: cell_of(one).stopped)
        assert TRACE == [("root/a", "stop")]
        with pytest.raises(ActorStoppedError):
            one.tell(Note("x"))
        await actors.make(Clerk, "a")  # the name is free again


async def test_a_permanent_child_that_stops_itself_is_started_again() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        await one.ask(Do(lambda clerk: (clerk.notes.append("x"), clerk.ctx.stop())))
        assert await one.ask(Get()) == []
        assert ("root/a", "restarted after QuitError") in TRACE


async def test_a_restart_asked_for_goes_through_all_hooks_and_costs_no_intensity() -> None:
    async with arena() as actors:
        one = await actors.make(Clerk, "a")
        for _ in range(10):
            await one.ask(Do(lambda clerk: (clerk.notes.append("x"), clerk.ctx.restart())))
        assert await one.ask(Get()) == []
        assert [what for _, what in TRACE[:3]] == ["before restart", "stop", "restarted after ActorError"]
        assert cell_of(one).node().restarts == 10
