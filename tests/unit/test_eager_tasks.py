"""A loop whose tasks begin at once (Python 3.12) changes nothing about actors and their supervisors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors import Actor, ActorSpec, Request, Strategy, SupervisorSpec
from tests.unit.arena import AT_ONCE, arena
from tests.unit.grove import grove
from tests.unit.grove_actors import Crash, GetNotes, Hold, Note, Worker, forget_all, logged, team

__all__ = ["forget_all"]  # a fixture for every test works where it is imported

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before Python 3.12")


def begin_at_once(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """As `asyncio.eager_task_factory`, which knows an argument less than uvloop gives before Python 3.13.3."""
    return asyncio.Task(coroutine, loop=loop, **{**options, "eager_start": True})


@pytest.fixture(autouse=True)
async def eager() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(begin_at_once)
    yield
    loop.set_task_factory(None)


class Slow(msgspec.Struct):
    text: str


class Seen(Request[list[str]]):
    pass


class Clerk(Actor):
    async def on_start(self) -> None:
        self.seen: list[str] = []

    async def slow(self, slow: Slow) -> None:
        await asyncio.sleep(0)
        self.seen.append(slow.text)

    async def tell(self, _: Seen) -> list[str]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0, "done"))
        return [*self.seen, task.result()]


async def test_a_handler_does_not_begin_within_the_tell_of_its_sender() -> None:
    async with arena() as actors:
        ref = await actors.make(Clerk, "a")
        for text in "123":
            ref.tell(Slow(text))
        assert actors.run_queue.ready
        assert await ref.ask(Seen()) == ["1", "2", "3", "done"]


async def test_a_tree_starts_restarts_and_stops_as_ever() -> None:
    async with grove(team(Strategy.ONE_FOR_ALL)) as trees:
        ref = trees.lookup("team/a")
        holding = asyncio.create_task(ref.ask(Hold()))
        ref.tell(Note("1"))
        trees.lookup("team/c").tell(Crash())
        await Worker.held.wait()
        Worker.release.set()
        await holding
        await logged("restarted c after crash")
        await trees.supervisor_at("team").terminate_child("b")
        await trees.supervisor_at("team").restart_child("b")
        assert await trees.lookup("team/b").ask(GetNotes()) == []
    assert Worker.log[-3:] == ["stop c", "stop b", "stop a"]


async def test_a_timeout_in_a_handler_ends_that_handler_alone() -> None:
    class Waiter(Actor):
        async def wait(self, _: Hold) -> None:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

    async with grove(SupervisorSpec("team", [ActorSpec("w", Waiter, supervision=AT_ONCE)])) as trees:
        with pytest.raises(TimeoutError):
            await trees.lookup("team/w").ask(Hold())
