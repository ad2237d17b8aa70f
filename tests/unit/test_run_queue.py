"""Actors run without a task of their own, and handlers never share one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context, ContextVar
from typing import cast

import pytest

from runtime.cells.cell import Cell
from runtime.cells.run_queue import MAX_PARKED, Runner, RunQueue

Job = Callable[[], Awaitable[None]]


class Worker:
    """Runs jobs one at a time, as an actor handles messages."""

    inbox = None

    def __init__(self, queue: RunQueue) -> None:
        self._queue = queue
        self._jobs: deque[Job] = deque()
        self._scheduled = False
        self.batches: list[int] = []

    def post(self, job: Job) -> None:
        self._jobs.append(job)
        if not self._scheduled:
            self._scheduled = True
            self._queue.schedule(cast("Cell", self))

    async def drain(self, limit: int, runner: Runner, context: Context) -> int:
        handled = 0
        try:
            while self._jobs and handled < limit:
                handled += 1
                await self._jobs.popleft()()
                if context != self._queue.base or runner.cancelling():
                    return -1
            return handled
        finally:
            self.batches.append(handled)
            self._scheduled = bool(self._jobs)
            if self._scheduled:
                self._queue.ready.append(cast("Cell", self))


@pytest.fixture
async def queue() -> AsyncIterator[RunQueue]:
    made = RunQueue()
    yield made
    await made.close()


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 # the loop itself is what is waited for
            await asyncio.sleep(0)


async def test_handlers_that_never_suspend_share_one_task(queue: RunQueue) -> None:
    tasks: list[asyncio.Task[None] | None] = []

    async def note() -> None:
        tasks.append(asyncio.current_task())

    for _ in range(1000):
        Worker(queue).post(note)
    await wait_until(lambda: len(tasks) == 1000)
    assert len(set(tasks)) == 1


async def test_a_handler_that_suspends_holds_up_nobody_and_keeps_its_task(queue: RunQueue) -> None:
    release, tasks, order = asyncio.Event(), [], []

    async def suspend() -> None:
        tasks.append(asyncio.current_task())
        await release.wait()
        tasks.append(asyncio.current_task())
        order.append("slow")

    async def quick() -> None:
        tasks.append(asyncio.current_task())
        order.append("quick")

    Worker(queue).post(suspend)
    Worker(queue).post(quick)
    await wait_until(lambda: bool(order))
    release.set()
    await wait_until(lambda: len(order) == 2)
    assert order == ["quick", "slow"]
    assert tasks[0] is tasks[2]
    assert tasks[0] is not tasks[1]


async def test_one_actor_handles_one_message_at_a_time(queue: RunQueue) -> None:
    worker, running, most, count = Worker(queue), 0, 0, 0

    async def job() -> None:
        nonlocal running, most, count
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        count += 1

    for _ in range(20):
        worker.post(job)
    await wait_until(lambda: count == 20)
    assert most == 1


async def test_a_busy_actor_goes_to_the_back_after_its_batch(queue: RunQueue) -> None:
    busy, other, order = Worker(queue), Worker(queue), []

    def job(name: str) -> Job:
        async def run() -> None:
            order.append(name)

        return run

    for _ in range(200):
        busy.post(job("busy"))
    other.post(job("other"))
    await wait_until(lambda: len(order) == 201)
    assert order.index("other") == 64
    assert busy.batches == [64, 64, 64, 8]


async def test_a_timeout_inside_a_handler_cancels_that_handler_alone(queue: RunQueue) -> None:
    ended = []

    async def times_out() -> None:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append("timed out")

    async def goes_on() -> None:
        await asyncio.sleep(0.005)
        ended.append("went on")

    Worker(queue).post(times_out)
    Worker(queue).post(goes_on)
    await wait_until(lambda: len(ended) == 2)
    assert ended == ["timed out", "went on"]


async def test_a_task_group_inside_a_handler_works(queue: RunQueue) -> None:
    results = []

    async def child(n: int) -> None:
        await asyncio.sleep(0)
        results.append(n)

    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(3):
                group.create_task(child(n))

    Worker(queue).post(parent)
    await wait_until(lambda: len(results) == 3)


async def test_an_exception_passes_through_to_the_actor(queue: RunQueue) -> None:
    caught = []

    async def raises_late() -> None:
        await asyncio.sleep(0)
        raise ValueError("late")

    class Careful(Worker):
        async def drain(self, limit: int, runner: Runner, context: Context) -> int:
            try:
                return await super().drain(limit, runner, context)
            except ValueError as error:
                caught.append(str(error))
                return 1

    Careful(queue).post(raises_late)
    await wait_until(lambda: bool(caught))
    assert caught == ["late"]


async def test_runners_without_work_are_kept_up_to_a_limit(queue: RunQueue) -> None:
    release, ended = asyncio.Event(), 0

    async def job() -> None:
        nonlocal ended
        await release.wait()
        ended += 1

    for _ in range(MAX_PARKED * 3):
        Worker(queue).post(job)
    await wait_until(lambda: len(queue._runners) == MAX_PARKED * 3)
    release.set()
    await wait_until(lambda: ended == MAX_PARKED * 3 and len(queue._runners) <= MAX_PARKED + 1)


async def test_a_context_variable_that_a_handler_leaves_changed_is_unchanged_for_the_next(queue: RunQueue) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen = []

    async def change() -> None:
        seen.append(variable.get())
        variable.set("changed")

    async def change_late() -> None:
        await change()
        await asyncio.sleep(0)
        seen.append(variable.get())

    worker = Worker(queue)
    for job in (change, change, change_late, change):
        worker.post(job)
    Worker(queue).post(change)
    await wait_until(lambda: len(seen) == 6)
    assert sorted(seen) == ["changed", *["unset"] * 5]


async def test_a_cancellation_that_a_handler_did_not_notice_hits_no_other(queue: RunQueue) -> None:
    seen = []

    async def cancel_and_leave() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def wait() -> None:
        await asyncio.sleep(0)
        seen.append("waited")

    for worker in (Worker(queue), Worker(queue)):
        worker.post(cancel_and_leave)
        worker.post(wait)
    await wait_until(lambda: len(seen) == 2)


async def test_closing_cancels_what_runs_and_leaves_no_task(queue: RunQueue) -> None:
    before = asyncio.all_tasks()
    worker, cancelled = Worker(queue), []

    async def job() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    worker.post(job)
    await asyncio.sleep(0)
    await queue.close()
    assert cancelled == [True]
    assert asyncio.all_tasks() == before


async def test_a_suspended_handler_that_is_closed_unwinds_in_its_own_context() -> None:
    variable: ContextVar[str | None] = ContextVar("variable", default=None)
    seen: list[str | None] = []
    queue = RunQueue()
    suspended = asyncio.Event()

    async def job() -> None:
        token = variable.set("mine")
        try:
            suspended.set()
            await asyncio.Event().wait()
        finally:
            seen.append(variable.get())
            variable.reset(token)

    Worker(queue).post(job)
    await suspended.wait()
    [runner] = queue._runners
    coroutine = runner.get_coro()
    assert coroutine is not None
    coroutine.close()  # as the garbage collector does with what a closed loop leaves
    assert seen == ["mine"]
    await queue.close()
