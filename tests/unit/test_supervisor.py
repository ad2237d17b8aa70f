"""The supervisor's shell: real children on a real event loop, with a clock driven by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from actors.spec import Backoff, Intensity, Restart, Strategy, Supervision
from runtime import supervisor_operations
from runtime.core.supervision_errors import RestartLimitError
from runtime.errors import ConflictError, NotFoundError
from runtime.supervisor import ChildSpec, OnExit, Supervisor
from runtime.tree import TreeNode

BOOM = ValueError("boom")
AT_ONCE = Backoff(initial_seconds=0.0)


class HandClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return 1e9 + self.seconds

    def monotonic(self) -> float:
        return self.seconds


class Probe:
    """A child that does what the test says, and writes down what was asked of it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.start_error: BaseException | None = None
        self.start_hangs = False
        self.stop_error: BaseException | None = None
        self.stop_hangs = False
        self.on_exit: OnExit | None = None
        self.alive = False
        self.given: list[float] = []

    async def start(self, on_exit: OnExit) -> None:
        self.log.append(f"start {self.name}")
        if self.start_hangs:
            await asyncio.Event().wait()
        if self.start_error is not None:
            raise self.start_error
        self.on_exit, self.alive = on_exit, True

    async def stop(self, shutdown_seconds: float) -> None:
        self.log.append(f"stop {self.name}")
        self.given.append(shutdown_seconds)
        if self.stop_hangs and shutdown_seconds > 0:
            await asyncio.Event().wait()
        self.alive = False
        if self.stop_error is not None:
            raise self.stop_error

    def node(self) -> TreeNode:
        return TreeNode(name=self.name, kind="part", state="busy", since=0.0, detail="fine")

    def exit(self, reason: BaseException | None = BOOM, *, explained: bool = False) -> None:
        assert self.on_exit is not None
        self.alive = False
        self.on_exit(reason, explained=explained)


class Scene:
    """A supervisor over probes a, b and c."""

    def __init__(
        self,
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        max_restarts: int = 3,
        backoff: Backoff = AT_ONCE,
        shutdown_seconds: float = 5.0,
    ) -> None:
        self.log: list[str] = []
        self.clock = HandClock()
        self.supervision = Supervision(backoff=backoff, shutdown_seconds=shutdown_seconds)
        self.probes = [Probe(name, self.log) for name in "abc"]
        self.a, self.b, self.c = self.probes
        self.gave_up: list[BaseException | None] = []
        self.supervisor = Supervisor(
            "root",
            [ChildSpec(probe, self.supervision) for probe in self.probes],
            strategy=strategy,
            intensity=Intensity(max_restarts=max_restarts),
            clock=self.clock,
            random=Random(1),
        )

    async def start(self) -> Scene:
        await self.supervisor.start(self.gave_up.append)
        self.log.clear()
        return self

    def alive(self) -> str:
        return "".join(probe.name for probe in self.probes if probe.alive)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # conditions of many kinds, each a few turns of the loop away
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not {task.get_name() for task in left if task.get_name().startswith(("supervisor", "task-child"))}


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


# Explained exits


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


# Requests


async def test_children_can_be_added_terminated_restarted_and_deleted() -> None:
    scene = await Scene().start()
    supervisor, late = scene.supervisor, Probe("late", scene.log)
    await supervisor.add_child(ChildSpec(late, scene.supervision))
    assert late.alive
    await supervisor.terminate_child("late")
    assert not late.alive
    assert supervisor.which_children()[-1].state == "terminated"
    await supervisor.restart_child("late")
    assert late.alive
    with pytest.raises(ConflictError, match="terminate it first"):
        await supervisor.delete_child("late")
    await supervisor.terminate_child("late")
    await supervisor.delete_child("late")
    assert [child.name for child in supervisor.which_children()] == ["a", "b", "c"]
    with pytest.raises(NotFoundError):
        await supervisor.terminate_child("late")
    await supervisor.stop(1.0)


async def test_a_child_that_cannot_start_is_not_added_and_its_error_is_raised() -> None:
    scene = await Scene().start()
    late = Probe("late", scene.log)
    late.start_error = BOOM
    with pytest.raises(ValueError, match="boom"):
        await scene.supervisor.add_child(ChildSpec(late))
    assert scene.supervisor.count_children().specs == 3
    assert "late" not in scene.supervisor._children
    await scene.supervisor.stop(1.0)


async def test_a_taken_name_and_a_stopped_supervisor_are_refused_with_nothing_left_over() -> None:
    scene = await Scene().start()
    with pytest.raises(ConflictError, match="already has a child 'a'"):
        await scene.supervisor.add_child(ChildSpec(Probe("a", [])))
    await scene.supervisor.stop(1.0)
    with pytest.raises(ConflictError, match="is stopped"):
        await scene.supervisor.add_child(ChildSpec(Probe("late", [])))
    assert list(scene.supervisor._children.values()) == scene.probes
    assert len(scene.supervisor._requests) == 0


async def test_a_stop_answers_whoever_waits_for_a_child_to_start() -> None:
    scene = await Scene().start()
    late = Probe("late", scene.log)
    late.start_hangs = True
    adding = asyncio.create_task(scene.supervisor.add_child(ChildSpec(late)))
    await until(lambda: "start late" in scene.log)
    await scene.supervisor.stop(1.0)
    with pytest.raises(ConflictError, match="stopped before 'late' ran"):
        await adding


async def test_a_request_whose_caller_is_cancelled_goes_on() -> None:
    scene = await Scene().start()
    adding = asyncio.create_task(scene.supervisor.add_child(ChildSpec(Probe("late", scene.log))))
    await asyncio.sleep(0)
    adding.cancel()
    await until(lambda: scene.supervisor.count_children().active == 4)
    await scene.supervisor.stop(1.0)


async def test_temporary_children_that_were_added_leave_nothing_behind() -> None:
    scene = await Scene().start()
    for _ in range(10):
        late = Probe("late", scene.log)
        await scene.supervisor.add_child(ChildSpec(late, Supervision(restart=Restart.TEMPORARY)))
        late.exit()
    assert len(scene.supervisor._children) == 3
    await scene.supervisor.stop(1.0)


async def test_children_are_counted() -> None:
    scene = await Scene().start()
    inner = Supervisor("inner", clock=scene.clock, random=Random(1))
    await scene.supervisor.add_child(ChildSpec(inner))
    await scene.supervisor.terminate_child("b")
    counts = scene.supervisor.count_children()
    assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (4, 3, 1, 3)
    await scene.supervisor.stop(1.0)


# The picture


async def test_the_node_shows_children_with_their_restarts() -> None:
    scene = await Scene().start()
    scene.clock.seconds = 107.0
    scene.a.exit()
    await until(lambda: scene.alive() == "abc")
    node = scene.supervisor.node()
    assert (node.kind, node.state, node.strategy, node.since) == ("supervisor", "running", "one_for_one", 1e9 + 100)
    assert node.children_total == 3
    first, second, _ = node.children
    assert (first.state, first.restarts, first.last_reason) == ("busy", 1, "ValueError: boom")
    assert first.last_restart_at == 1e9 + 107
    assert (second.state, second.restarts, second.detail) == ("busy", 0, "fine")
    await scene.supervisor.stop(1.0)
    assert [child.state for child in scene.supervisor.node().children] == ["ended"] * 3


async def test_the_node_of_a_child_that_waits_says_when_it_starts_again_and_why() -> None:
    scene = await Scene(backoff=Backoff(initial_seconds=60.0, max_seconds=60.0, jitter=0.0)).start()
    scene.a.exit()
    scene.clock.seconds += 20.0
    first = scene.supervisor.node().children[0]
    assert (first.state, first.detail) == ("waiting", "starts again in 40.0 s")
    assert (first.restarts, first.last_reason) == (0, "ValueError: boom")
    await scene.supervisor.stop(1.0)


async def test_the_node_shows_a_bounded_number_of_children() -> None:
    scene = await Scene().start()
    for number in range(120):
        await scene.supervisor.add_child(ChildSpec(Probe(f"p{number}", [])))
    node = scene.supervisor.node()
    assert (len(node.children), node.children_total) == (100, 123)
    assert [child.name for child in scene.supervisor.node(max_children=2).children] == ["a", "b"]
    await scene.supervisor.stop(1.0)


async def test_what_no_event_explains_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    scene = await Scene().start()
    scene.a.exit(explained=True)
    scene.b.exit(None)
    assert caplog.records == []
    scene.c.exit()
    [record] = caplog.records
    assert record.getMessage() == "root/c ended: ValueError: boom"
    assert record.exc_info is not None
    await scene.supervisor.stop(1.0)
