"""What an actor starts and asks for through its context: it works, and it ends with the life that began it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors import (
    Actor,
    ActorError,
    ActorStoppedError,
    HandlerHungError,
    Intensity,
    LinkedActorError,
    ReceiveTimeout,
    Ref,
    Request,
    Restart,
    SpecError,
    Supervision,
    Terminated,
    UnhandledMessageError,
)
from tests.unit.arena import AT_ONCE, Arena, arena, cell_of, wait_until


class Note(msgspec.Struct):
    text: str


class Do(Request[Any]):
    """Run a function on the actor, inside a handler."""

    what: Callable[[Any], Any]


class Get(Request[list[str]]):
    pass


class Clerk(Actor):
    log: list[str]

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.closed = False

    async def before_restart(self, reason: BaseException) -> None:
        self.trace("before restart")

    async def on_stop(self) -> None:
        self.trace("stop")

    async def on_restart(self, reason: BaseException) -> None:
        self.trace(f"restarted after {type(reason).__name__}")

    def trace(self, what: str) -> None:
        TRACE.append((self.ctx.me.path, what))

    def note(self, note: Note) -> None:
        if self.closed:
            self.ctx.stash(note)
        else:
            self.notes.append(note.text)

    async def do(self, do: Do) -> Any:
        result = do.what(self)
        return await result if asyncio.iscoroutine(result) else result

    def get(self, _: Get) -> list[str]:
        return self.notes

    def terminated(self, notice: Terminated) -> None:
        self.notes.append(f"{notice.path} {notice.reason}")

    def silence(self, notice: ReceiveTimeout) -> None:
        self.notes.append(f"silence {notice.seconds}")


class Deaf(Actor):
    async def do(self, do: Do) -> Any:
        return do.what(self)


TRACE: list[tuple[str, str]] = []
TRANSIENT = Supervision(restart=Restart.TRANSIENT, backoff=AT_ONCE.backoff, shutdown_seconds=0.2)
TEMPORARY = Supervision(restart=Restart.TEMPORARY, shutdown_seconds=0.2)


@pytest.fixture(autouse=True)
def _forget() -> None:
    TRACE.clear()


async def two(actors: Arena) -> tuple[Ref, Ref]:
    return await actors.make(Clerk, "a"), await actors.make(Clerk, "b")


def crash(_: Any) -> None:
    raise ValueError("clerk")


def close(clerk: Clerk) -> None:
    clerk.closed = True


def unstash(clerk: Clerk) -> None:
    clerk.closed = False
    clerk.ctx.unstash()


async def make_crash(ref: Ref) -> None:
    with pytest.raises(ValueError, match="clerk"):
        await ref.ask(Do(crash))


async def notes_are(ref: Ref, expected: list[str]) -> None:
    await wait_until(lambda: cell_of(ref).idle and getattr(cell_of(ref).instance, "notes", None) == expected)


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

        await one.ask(Do(lambda clerk: clerk.ctx.schedule(Note("never"), after_seconds=0.02)))
        await one.ask(Do(lambda clerk: clerk.ctx.start_task(work())))
        await running.wait()
        await asyncio.gather(one.ask(Do(end)), return_exceptions=True)
        assert await one.ask(Get()) == []
        assert ended == ["task"]
        later = await actors.make(Clerk, "later")
        await later.ask(Do(lambda clerk: clerk.ctx.schedule(Note("later"), after_seconds=0.03)))
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
