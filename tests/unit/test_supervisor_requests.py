"""The supervisor's shell: children by request, and the picture of them."""

from __future__ import annotations

import asyncio
import logging
from random import Random

import pytest

from actors.spec import Backoff, Restart, Supervision
from runtime.errors import ConflictError, NotFoundError
from runtime.supervision.supervisor import ChildSpec, Supervisor
from tests.unit.supervisor_scene import BOOM, Probe, Scene, nothing_is_left, until

__all__ = ["nothing_is_left"]  # a fixture for every test works where it is imported


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
