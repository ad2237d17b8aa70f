"""What runs inside a handler is the handler's: it ends with it, whatever ends it, and concerns nobody else."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import anyio
import msgspec
import pytest

from actors import Actor, ActorStoppedError, HandlerHungError, Request, Supervision
from tests.unit.arena import AT_ONCE, Arena, arena, cell_of, wait_until

HANGS = Supervision(hang_seconds=0.05, backoff=AT_ONCE.backoff)


class Run(Request[str]):
    what: str


class Bystand(Request[str]):
    pass


class Tell(msgspec.Struct):
    what: str


class Worker(Actor):
    """Each handler starts two branches, of which it is written down how they end."""

    ended: ClassVar[list[str]] = []
    begun: ClassVar[asyncio.Event]
    release: ClassVar[asyncio.Event]

    async def run(self, run: Run) -> str:
        return str(await getattr(self, f"_{run.what}")())

    async def tell(self, tell: Tell) -> None:
        await getattr(self, f"_{tell.what}")()

    async def bystand(self, _: Bystand) -> str:
        await self.release.wait()
        return "undisturbed"

    async def _branch(self, name: str) -> None:
        try:
            if name == "b":
                self.begun.set()
            await asyncio.Event().wait()
        finally:
            self.ended.append(name)

    async def _timeout(self) -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "not reached"

    async def _move_on(self) -> str:
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        return "moved on" if scope.cancelled_caught else "not reached"

    async def _group(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._branch("a"))
            group.create_task(self._branch("b"))

    async def _anyio_group(self) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._branch, "a")
            group.start_soon(self._branch, "b")

    async def _group_that_crashes(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._branch("a"))
            group.create_task(self._branch("b"))
            await self.begun.wait()
            raise RuntimeError("crash")


@pytest.fixture(autouse=True)
def _forget() -> None:
    Worker.ended.clear()
    Worker.begun, Worker.release = asyncio.Event(), asyncio.Event()


@pytest.mark.parametrize(("what", "answer"), [("timeout", "timed out"), ("move_on", "moved on")])
@pytest.mark.parametrize("inline", [True, False])
async def test_a_time_limit_around_an_await_cancels_that_handler_alone(what: str, answer: str, *, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        ref = await actors.make(Worker, "a")
        other = asyncio.create_task((await actors.make(Worker, "b")).ask(Bystand()))
        await asyncio.sleep(0)
        assert await ref.ask(Run(what)) == answer
        assert cell_of(ref).record is None
        Worker.release.set()
        assert await other == "undisturbed"


async def tasks_of(actors: Arena) -> set[asyncio.Task[Any]]:
    """What is left but the test itself and the runners, which serve everybody."""
    await asyncio.sleep(0)
    return {task for task in asyncio.all_tasks() - {asyncio.current_task()} if task.get_name() != "postroom-runner"}


@pytest.mark.parametrize("inline", [True, False])
async def test_a_task_group_of_a_handler_that_crashes_leaves_nothing_behind(*, inline: bool) -> None:
    async with arena(inline_asks=inline) as actors:
        ref = await actors.make(Worker, "a")
        before = await tasks_of(actors)
        with pytest.raises(ExceptionGroup) as raised:
            await ref.ask(Run("group_that_crashes"))
        assert [str(error) for error in raised.value.exceptions] == ["crash"]
        assert sorted(Worker.ended) == ["a", "b"]
        assert await tasks_of(actors) == before


@pytest.mark.parametrize("group", ["group", "anyio_group"])
@pytest.mark.parametrize("inline", [True, False])
async def test_a_task_group_that_would_outlive_the_crash_of_its_actor_is_cancelled_and_waited_for(
    group: str, *, inline: bool
) -> None:
    async with arena(inline_asks=inline) as actors:
        ref = await actors.make(Worker, "a", HANGS)
        before = await tasks_of(actors)
        with pytest.raises(HandlerHungError):
            await ref.ask(Run(group))
        assert sorted(Worker.ended) == ["a", "b"]
        Worker.release.set()
        assert await ref.ask(Bystand()) == "undisturbed"
        assert await tasks_of(actors) == before


@pytest.mark.parametrize("group", ["group", "anyio_group"])
async def test_a_task_group_of_an_actor_that_is_stopped_ends_before_the_stop_does(group: str) -> None:
    async with arena() as actors:
        ref = await actors.make(Worker, "a")
        before = await tasks_of(actors)
        asking = asyncio.create_task(ref.ask(Run(group)))
        await wait_until(Worker.begun.is_set)
        await cell_of(ref).stop(0.01)
        assert sorted(Worker.ended) == ["a", "b"]
        with pytest.raises(ActorStoppedError):
            await asking
        assert await tasks_of(actors) == before


async def test_a_message_that_is_told_is_no_exception() -> None:
    async with arena() as actors:
        ref = await actors.make(Worker, "a", HANGS)
        ref.tell(Tell("group"))
        await wait_until(lambda: sorted(Worker.ended) == ["a", "b"])
        Worker.release.set()
        assert await ref.ask(Bystand()) == "undisturbed"
