"""Actors in memory: order, contexts, tasks, crashes. No store, no app."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import msgspec
import pytest

from actors import (
    Actor,
    ActorError,
    ActorStoppedError,
    Backoff,
    Intensity,
    NotARequestError,
    Ref,
    Request,
    Supervision,
    UnhandledMessageError,
)
from runtime.cells.run_queue import MESSAGES_PER_TURN
from tests.unit.arena import Arena, arena, cell_of, wait_until

TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")


class Note(msgspec.Struct):
    text: str


class Loud(Note):
    pass


class GetNotes(Request[list[str]]):
    pass


class Sleep(Request[str]):
    pass


class Fail(Request[None]):
    late: bool = False


class WhoseTask(Request[Any]):
    """Which task it is, before and after it is suspended."""

    suspend: bool = False


class Tenant(Request[str]):
    then: str | None = None


class TimeOut(Request[str]):
    seconds: float


class CancelYourself(Request[None]):
    wait: bool = False


class Scribe(Actor):
    lives = 0

    def __init__(self) -> None:
        Scribe.lives += 1
        self.notes: list[str] = []

    def note(self, note: Note) -> None:
        self.notes.append(note.text)

    async def get_notes(self, _: GetNotes) -> list[str]:
        return self.notes

    async def sleep(self, _: Sleep) -> str:
        await asyncio.sleep(0)
        return "slept"

    async def fail(self, fail: Fail) -> None:
        if fail.late:
            await asyncio.sleep(0)
        raise ValueError("scribe")

    async def whose_task(self, question: WhoseTask) -> Any:
        before = asyncio.current_task()
        if question.suspend:
            await asyncio.sleep(0)
        return before, asyncio.current_task()

    async def tenant(self, question: Tenant) -> str:
        found = TENANT.get()
        if question.then:
            TENANT.set(question.then)
        return found

    async def time_out(self, limit: TimeOut) -> str:
        try:
            async with asyncio.timeout(limit.seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "never"

    async def cancel(self, how: CancelYourself) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if how.wait:
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Scribe.lives = 0


async def busy(ref: Ref) -> None:
    """Make the next ask an ordinary one."""
    ref.tell(Note("busy"))


both_ways = pytest.mark.parametrize("inline", [True, False])


@both_ways
async def test_messages_of_one_sender_are_handled_in_order(*, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        scribe = await actors.make(Scribe, "s")
        for n in range(MESSAGES_PER_TURN * 2):
            scribe.tell(Note(str(n)) if n % 2 else Loud(str(n)))
        assert await scribe.ask(GetNotes()) == [str(n) for n in range(MESSAGES_PER_TURN * 2)]


@both_ways
async def test_the_error_of_a_handler_reaches_who_asked_with_the_stack_of_the_handler(*, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        scribe = await actors.make(Scribe, "s")
        for late in (False, True):
            with pytest.raises(ValueError, match="scribe") as caught:
                await scribe.ask(Fail(late=late))
            [note] = caught.value.__notes__
            assert note.startswith("raised by root/s on Fail:")
            assert 'raise ValueError("scribe")' in note
            assert "run_queue" not in note
        await scribe.ask(GetNotes())
        assert Scribe.lives == 3


async def test_what_is_no_request_cannot_be_asked() -> None:
    async with arena() as actors:
        scribe: Any = await actors.make(Scribe, "s")
        with pytest.raises(NotARequestError, match="root/s: Note is not a Request"):
            await scribe.ask(Note("x"))
        with pytest.raises(UnhandledMessageError, match="no handler of Scribe takes Other"):
            await scribe.ask(msgspec.defstruct("Other", [], bases=(Request,))())


async def test_an_ask_of_a_dead_actor_fails_at_once() -> None:
    async with arena() as actors:
        scribe = await actors.make(Scribe, "s")
        await cell_of(scribe).stop(1.0)
        with pytest.raises(ActorStoppedError, match="root/s has stopped"):
            await scribe.ask(GetNotes())


@both_ways
async def test_an_ask_times_out_and_the_late_reply_is_nobodys(*, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        scribe = await actors.make(Scribe, "s")
        with pytest.raises(TimeoutError, match="no reply within"):
            await scribe.ask(TimeOut(0.05), timeout_seconds=0.01)
        assert await scribe.ask(GetNotes()) == []


@both_ways
async def test_a_handlers_task_is_never_the_askers_and_stays_its_own(*, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        scribe = await actors.make(Scribe, "s")
        for suspend in (False, True, True, False):
            before, after = await scribe.ask(WhoseTask(suspend=suspend))
            assert before is after
            assert isinstance(before, asyncio.Task)
            assert before is not asyncio.current_task()
        assert asyncio.current_task() in asyncio.all_tasks()


@both_ways
async def test_a_timeout_in_a_handler_ends_that_handler_alone(*, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        one, two = [await actors.make(Scribe, name) for name in "ab"]
        assert await one.ask(TimeOut(0.0)) == "timed out"
        results = await asyncio.gather(one.ask(TimeOut(0.001)), two.ask(TimeOut(0.01)), two.ask(Sleep()))
        assert list(results) == ["timed out", "timed out", "slept"]


@both_ways
async def test_context_variables_travel_with_messages_and_no_handler_sees_anothers(*, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        scribe = await actors.make(Scribe, "s")
        assert await scribe.ask(Tenant(then="left behind")) == "nobody"
        assert await scribe.ask(Tenant()) == "nobody"
        token = TENANT.set("acme")
        assert await scribe.ask(Tenant(then="left behind")) == "acme"
        assert TENANT.get() == "acme"
        TENANT.reset(token)
        assert await scribe.ask(Tenant()) == "nobody"
        await busy(scribe)
        TENANT.set("acme")
        assert await scribe.ask(Tenant()) == "acme"


async def test_values_that_cannot_be_compared_travel_too() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise TypeError("not comparable")

        __hash__ = None  # type: ignore[assignment]

    odd: ContextVar[Odd] = ContextVar("odd")
    odd.set(Odd())
    async with arena() as actors:
        odd.set(Odd())
        scribe = await actors.make(Scribe, "s")
        scribe.tell(Note("odd"))
        assert await scribe.ask(GetNotes()) == ["odd"]


@both_ways
@pytest.mark.parametrize("wait", [True, False])
async def test_a_handler_that_cancels_its_task_harms_nobody_else(*, inline: bool, wait: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        scribe, other = [await actors.make(Scribe, name) for name in "ab"]
        if wait:
            with pytest.raises(ActorError, match="root/a: the handler was cancelled from within"):
                await scribe.ask(CancelYourself(wait=True))
        else:
            await scribe.ask(CancelYourself())
        scribe.tell(Note("x"))
        assert list(await asyncio.gather(scribe.ask(Sleep()), other.ask(Sleep()))) == ["slept", "slept"]


async def test_asks_leave_the_loop_its_turn() -> None:
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    async with arena() as actors:
        scribe = await actors.make(Scribe, "s")
        asyncio.get_running_loop().call_soon(turn)
        for _ in range(MESSAGES_PER_TURN * 4):
            await scribe.ask(GetNotes())
        assert turns >= 3
        turns = -(10**9)


async def test_mail_is_handled_by_the_instance_after_a_crash() -> None:
    async with arena() as actors:
        scribe = await actors.make(Scribe, "s")
        scribe.tell(Note("lost with its instance"))
        scribe.tell(Fail())
        scribe.tell(Note("kept"))
        assert await scribe.ask(GetNotes()) == ["kept"]


async def test_a_thousand_restarts_leave_no_task(arena_of_two: tuple[Arena, Ref]) -> None:
    actors, scribe = arena_of_two
    tasks = len(asyncio.all_tasks())
    for _ in range(1000):
        scribe.tell(Fail())
    await wait_until(lambda: cell_of(scribe).idle or actors.failures)
    assert len(asyncio.all_tasks()) <= tasks + 1


@pytest.fixture
async def arena_of_two() -> Any:
    forever = Supervision(intensity=Intensity(max_restarts=10**9), backoff=Backoff(initial_seconds=0, max_seconds=0))
    async with arena() as actors:
        yield actors, await actors.make(Scribe, "s", forever)
