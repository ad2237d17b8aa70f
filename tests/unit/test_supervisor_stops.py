"""The supervisor's shell: stops, stops that hang, cancellations."""

from __future__ import annotations

import asyncio

import pytest

from actors.spec import Backoff
from runtime.errors import ConflictError
from runtime.supervision import operations as supervisor_operations
from runtime.supervision.supervisor import ChildSpec, OnExit
from tests.unit.supervisor_scene import Probe, Scene, nothing_is_left, until

__all__ = ["nothing_is_left"]  # a fixture for every test works where it is imported


async def test_a_stop_during_the_delay_leaves_no_timer() -> None:
    scene = await Scene(backoff=Backoff(initial_seconds=3600.0, max_seconds=3600.0)).start()
    scene.b.exit()
    assert scene.supervisor.which_children()[1].state == "waiting"
    await scene.supervisor.stop(1.0)
    assert scene.supervisor._timers == {}
    assert scene.log == ["stop c", "stop a"]


async def test_a_stop_while_a_start_hangs_is_heard() -> None:
    scene = Scene()
    scene.b.start_hangs = True
    starting = asyncio.create_task(scene.supervisor.start(scene.gave_up.append))
    await until(lambda: "start b" in scene.log)
    await scene.supervisor.stop(1.0)
    with pytest.raises(ConflictError, match="was stopped while it started"):
        await starting
    assert scene.log == ["start a", "start b", "stop a"]


async def test_cancelling_the_start_stops_what_has_started() -> None:
    scene = Scene()
    scene.b.start_hangs = True
    starting = asyncio.create_task(scene.supervisor.start(scene.gave_up.append))
    await until(lambda: "start b" in scene.log)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert scene.log == ["start a", "start b", "stop a"]


async def test_a_stop_before_the_first_child_began_to_start_starts_none() -> None:
    scene = Scene()
    starting = asyncio.create_task(scene.supervisor.start(scene.gave_up.append))
    await asyncio.sleep(0)
    await scene.supervisor.stop(1.0)
    with pytest.raises(ConflictError):
        await starting
    assert scene.log == []


async def test_a_hanging_stop_is_cut_and_the_child_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_operations, "STOP_GRACE_SECONDS", 0.01)
    scene = await Scene(shutdown_seconds=0.01).start()
    scene.b.stop_hangs = True
    await scene.supervisor.stop(10.0)
    assert scene.log == ["stop c", "stop b", "stop b", "stop a"]
    assert scene.b.given == [0.01, 0.0]
    assert scene.alive() == ""


async def test_a_child_that_cannot_be_stopped_is_reported_and_the_stop_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor_operations, "STOP_GRACE_SECONDS", 0.01)
    scene = await Scene(shutdown_seconds=0.01).start()

    async def never(shutdown_seconds: float) -> None:
        del shutdown_seconds
        await asyncio.Event().wait()

    monkeypatch.setattr(scene.b, "stop", never)
    await scene.supervisor.stop(10.0)
    assert scene.alive() == "b"
    assert "root/b had trouble stopping: ChildStuckError: 'b' did not end although" in caplog.text
    assert scene.supervisor.which_children()[1].exits[-1].reason.startswith("while stopping: ChildStuckError")


async def test_an_error_while_a_child_stops_is_recorded_and_the_stop_goes_on() -> None:
    scene = await Scene().start()
    scene.b.stop_error = OSError("dirty")
    await scene.supervisor.stop(10.0)
    assert scene.log == ["stop c", "stop b", "stop a"]
    assert scene.supervisor.which_children()[1].exits[-1].reason == "while stopping: OSError: dirty"


async def test_cancelling_a_stop_hurries_it_and_leaves_no_child_alive() -> None:
    scene = await Scene(shutdown_seconds=3600.0).start()
    scene.b.stop_hangs = True
    stopping = asyncio.create_task(scene.supervisor.stop(3600.0))
    await until(lambda: "stop b" in scene.log)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert scene.log == ["stop c", "stop b", "stop b", "stop a"]
    assert scene.a.given == [0.0]
    assert scene.alive() == ""


async def test_a_supervisor_cancelled_from_outside_stops_its_children_and_says_so() -> None:
    scene = await Scene().start()
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "supervisor root"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scene.log == ["stop c", "stop b", "stop a"]
    assert isinstance(await scene.supervisor.wait_stopped(), asyncio.CancelledError)
    assert len(scene.gave_up) == 1


async def test_a_supervisor_cancelled_while_a_child_stops_still_stops_the_others() -> None:
    scene = await Scene(shutdown_seconds=3600.0).start()
    scene.c.stop_hangs = True
    stopping = asyncio.create_task(scene.supervisor.stop(3600.0))
    await until(lambda: "stop c" in scene.log)
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "supervisor root"]
    task.cancel()
    await stopping
    assert scene.alive() == ""


async def test_a_supervisor_cancelled_while_a_restart_hangs_stops_the_others_and_says_so() -> None:
    scene = await Scene().start()
    scene.b.start_hangs = True
    scene.b.exit()
    await until(lambda: "start b" in scene.log)
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "supervisor root"]
    task.cancel()
    assert isinstance(await scene.supervisor.wait_stopped(), asyncio.CancelledError)
    assert scene.log == ["start b", "stop c", "stop a"]
    assert len(scene.gave_up) == 1


async def test_a_stop_that_is_already_being_cut_can_be_hurried_once_more() -> None:
    scene = await Scene(shutdown_seconds=3600.0).start()
    cut, release = asyncio.Event(), asyncio.Event()

    async def stop(shutdown_seconds: float) -> None:
        if shutdown_seconds > 0:
            try:
                await asyncio.Event().wait()
            finally:
                cut.set()
                await release.wait()

    scene.b.stop = stop  # type: ignore[method-assign]
    stops = [asyncio.create_task(scene.supervisor.stop(seconds)) for seconds in (3600.0, 0.01)]
    await cut.wait()
    stops.append(asyncio.create_task(scene.supervisor.stop(0.0)))
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*stops)
    assert scene.log == ["stop c", "stop a"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupt_is_not_swallowed_and_the_children_are_still_stopped(error: BaseException) -> None:
    scene = Scene()

    async def main() -> None:
        await scene.start()
        scene.b.start_error = error
        scene.b.exit()
        try:
            await asyncio.Event().wait()
        finally:
            await scene.supervisor.stop(1.0)

    with pytest.raises(type(error)):
        asyncio.run(main())
    assert scene.alive() == ""


def test_the_end_of_the_event_loop_leaves_no_child_alive() -> None:
    scene = Scene()

    async def main() -> None:
        await scene.start()

    asyncio.run(main())
    assert scene.alive() == ""


async def test_a_child_cannot_stop_its_supervisor_from_its_own_start() -> None:
    scene = await Scene().start()

    async def start(on_exit: OnExit) -> None:
        del on_exit
        await scene.supervisor.stop(1.0)

    late = Probe("late", scene.log)
    late.start = start  # type: ignore[method-assign]
    with pytest.raises(ConflictError, match="cannot be stopped by a child"):
        await scene.supervisor.add_child(ChildSpec(late))
    await scene.supervisor.stop(1.0)
