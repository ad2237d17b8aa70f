"""The supervisor's shell: starts, restarts, escalation."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from actors.spec import Intensity, Strategy, Supervision
from runtime.core.supervision_errors import RestartLimitError
from runtime.errors import ConflictError, NotFoundError
from runtime.supervision.supervisor import ChildSpec, Supervisor
from tests.unit.supervisor_scene import AT_ONCE, BOOM, Scene, nothing_is_left, until

__all__ = ["nothing_is_left"]  # a fixture for every test works where it is imported


async def test_children_start_in_order_and_stop_in_reverse() -> None:
    scene = Scene()
    await scene.supervisor.start(scene.gave_up.append)
    await scene.supervisor.stop(10.0)
    assert scene.log == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]
    assert await scene.supervisor.wait_stopped() is None
    assert scene.gave_up == []


async def test_it_may_be_stopped_before_it_starts_and_twice() -> None:
    scene = Scene()
    await scene.supervisor.stop(1.0)
    await scene.start()
    await asyncio.gather(scene.supervisor.stop(1.0), scene.supervisor.stop(1.0))
    await scene.supervisor.stop(1.0)
    assert scene.log == ["stop c", "stop b", "stop a"]


async def test_it_can_be_started_again_after_a_stop_but_not_twice() -> None:
    scene = await Scene().start()
    with pytest.raises(ConflictError, match="runs already"):
        await scene.supervisor.start(scene.gave_up.append)
    await scene.supervisor.stop(1.0)
    await scene.start()
    assert scene.alive() == "abc"
    await scene.supervisor.stop(1.0)


async def test_the_error_of_a_child_that_cannot_start_is_raised_after_the_others_have_stopped() -> None:
    scene = Scene()
    scene.c.start_error = BOOM
    with pytest.raises(ValueError, match="boom") as raised:
        await scene.supervisor.start(scene.gave_up.append)
    assert raised.value is BOOM
    assert scene.log == ["start a", "start b", "start c", "stop b", "stop a"]
    assert scene.gave_up == []
    assert await scene.supervisor.wait_stopped() is BOOM


async def test_a_child_whose_start_was_cancelled_by_something_else_fails_the_start() -> None:
    scene = Scene()
    scene.b.start_error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await scene.supervisor.start(scene.gave_up.append)
    assert scene.alive() == ""


async def test_a_child_that_exits_is_started_again() -> None:
    scene = await Scene().start()
    scene.b.exit()
    await until(lambda: scene.alive() == "abc")
    assert scene.log == ["start b"]
    await scene.supervisor.stop(1.0)


async def test_one_for_all_stops_and_starts_every_child() -> None:
    scene = await Scene(strategy=Strategy.ONE_FOR_ALL).start()
    scene.b.exit()
    await until(lambda: len(scene.log) == 5)
    assert scene.log == ["stop c", "stop a", "start a", "start b", "start c"]
    await scene.supervisor.stop(1.0)


async def test_a_second_report_of_the_same_exit_does_nothing() -> None:
    scene = await Scene().start()
    scene.a.exit()
    scene.a.exit()
    await until(lambda: scene.alive() == "abc")
    assert scene.supervisor.which_children()[0].restarts == 1
    await scene.supervisor.stop(1.0)


async def test_an_exhausted_supervisor_stops_its_children_and_says_why() -> None:
    scene = await Scene(max_restarts=0).start()
    scene.b.exit()
    reason = await scene.supervisor.wait_stopped()
    assert isinstance(reason, RestartLimitError)
    assert reason.__cause__ is BOOM
    assert scene.gave_up == [reason]
    assert scene.log == ["stop c", "stop a"]


async def test_escalation_passes_through_two_levels() -> None:
    scene = Scene(max_restarts=0)
    gave_up: list[BaseException | None] = []
    top = Supervisor(
        "top",
        [ChildSpec(scene.supervisor, Supervision(backoff=AT_ONCE))],
        intensity=Intensity(max_restarts=1),
        clock=scene.clock,
        random=Random(1),
    )
    await top.start(gave_up.append)
    scene.a.exit()
    await until(lambda: top.node().children[0].restarts == 1)
    assert scene.alive() == "abc"
    scene.a.exit()
    reason = await top.wait_stopped()
    assert str(reason) == (
        "supervisor 'top' gave up: more than 1 restarts in 5 s, the last of 'root' after RestartLimitError:"
        " supervisor 'root' gave up: more than 0 restarts in 5 s, the last of 'a' after ValueError: boom"
    )
    assert gave_up == [reason]
    assert scene.alive() == ""


async def test_explained_exits_never_exhaust_the_intensity() -> None:
    scene = await Scene(max_restarts=0, strategy=Strategy.ONE_FOR_ALL).start()
    for _ in range(50):
        scene.supervisor.explained_exit("a", BOOM)
        scene.b.exit(explained=True)
        await until(lambda: scene.b.alive)
    assert scene.alive() == "abc"
    assert [child.restarts for child in scene.supervisor.which_children()] == [50, 50, 0]
    with pytest.raises(NotFoundError, match="'root' has no child 'x'"):
        scene.supervisor.explained_exit("x", BOOM)
    await scene.supervisor.stop(1.0)
