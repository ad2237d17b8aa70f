"""A coroutine function as a supervisor's child."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from runtime.clock import SystemClock
from runtime.core.supervision_errors import ChildStuckError
from runtime.errors import ConflictError
from runtime.supervision import task as supervisor_task
from runtime.supervision.supervisor import TaskChild
from runtime.supervision.task import EndedEarlyError, Run

BOOM = ValueError("boom")


class Exits:
    """Collects what a child reports."""

    def __init__(self) -> None:
        self.reasons: list[BaseException | None] = []
        self.first = asyncio.Event()

    def __call__(self, reason: BaseException | None, /, *, explained: bool = False) -> None:
        assert not explained
        self.reasons.append(reason)
        self.first.set()


async def for_ever() -> None:
    await asyncio.Event().wait()


async def returns() -> None:
    pass


async def raises() -> None:
    raise BOOM


def task_child(run: Run, ready: asyncio.Event | None = None) -> TaskChild:
    return TaskChild("part", run, clock=SystemClock(), ready=ready)


async def test_returning_is_a_normal_exit() -> None:
    child, exits = task_child(returns), Exits()
    await child.start(exits)
    await exits.first.wait()
    assert exits.reasons == [None]
    assert child.node().state == "stopped"


async def test_raising_is_an_abnormal_exit() -> None:
    child, exits = task_child(raises), Exits()
    await child.start(exits)
    await exits.first.wait()
    assert exits.reasons == [BOOM]


async def test_being_cancelled_from_outside_is_an_abnormal_exit() -> None:
    child, exits = task_child(for_ever), Exits()
    await child.start(exits)
    assert child._task is not None
    child._task.cancel()
    await exits.first.wait()
    assert isinstance(exits.reasons[0], asyncio.CancelledError)


async def test_a_stop_cancels_the_task_and_is_no_exit() -> None:
    child, exits = task_child(for_ever), Exits()
    await child.stop(1.0)
    await child.start(exits)
    assert child.node().state == "running"
    await child.stop(1.0)
    await child.stop(1.0)
    assert exits.reasons == []
    assert child.node().state == "stopped"


async def test_it_has_several_lives_one_at_a_time() -> None:
    child, exits = task_child(for_ever), Exits()
    await child.start(exits)
    with pytest.raises(ConflictError, match="'part' runs already"):
        await child.start(exits)
    await child.stop(1.0)
    await child.start(exits)
    await child.stop(1.0)


async def test_the_task_may_clean_up_within_its_time() -> None:
    cleaned = False

    async def run() -> None:
        nonlocal cleaned
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            cleaned = True

    child = task_child(run)
    await child.start(Exits())
    await asyncio.sleep(0)
    await child.stop(5.0)
    assert cleaned


async def test_cleaning_up_for_too_long_is_cancelled() -> None:
    async def run() -> None:
        try:
            await for_ever()
        finally:
            await for_ever()

    child = task_child(run)
    await child.start(Exits())
    await asyncio.sleep(0)
    await child.stop(0.0)
    assert child._task is None


async def test_an_error_while_cleaning_up_is_raised_by_the_stop() -> None:
    async def run() -> None:
        try:
            await for_ever()
        finally:
            raise BOOM

    child = task_child(run)
    await child.start(Exits())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="boom"):
        await child.stop(1.0)


async def test_a_task_that_will_not_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_task, "CANCEL_GRACE_SECONDS", 0.01)
    release = asyncio.Event()

    async def run() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    child = task_child(run)
    await child.start(Exits())
    await asyncio.sleep(0)
    with pytest.raises(ChildStuckError, match="'part' did not end although it was cancelled"):
        await child.stop(0.0)
    with pytest.raises(ConflictError):
        await child.start(Exits())
    release.set()
    await child.stop(1.0)


async def test_the_start_waits_until_it_is_ready_in_every_life() -> None:
    ready, go = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        await go.wait()
        ready.set()
        await for_ever()

    child = task_child(run, ready=ready)
    for _ in range(2):
        starting = asyncio.create_task(child.start(Exits()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not starting.done()
        go.set()
        await starting
        go.clear()
        await child.stop(1.0)


async def test_an_end_before_it_is_ready_fails_the_start() -> None:
    exits = Exits()
    with pytest.raises(ValueError, match="boom"):
        await task_child(raises, ready=asyncio.Event()).start(exits)
    with pytest.raises(EndedEarlyError, match="'part' returned before it was ready"):
        await task_child(returns, ready=asyncio.Event()).start(exits)
    assert exits.reasons == []


async def test_a_start_that_is_cancelled_leaves_no_task() -> None:
    child = task_child(for_ever, ready=asyncio.Event())
    starting = asyncio.create_task(child.start(Exits()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_node_shows_state_and_detail_as_the_part_tells_them() -> None:
    child = TaskChild("part", for_ever, clock=SystemClock(), detail=lambda: "12 rows", state=lambda: "draining")
    assert child.node().state == "stopped"
    await child.start(Exits())
    assert (child.node().state, child.node().detail, child.node().kind) == ("draining", "12 rows", "part")
    await child.stop(1.0)
