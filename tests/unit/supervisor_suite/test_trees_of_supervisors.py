"""After OTP's supervisor_SUITE: tree, and what is kept of children that are gone."""

from __future__ import annotations

import math

import pytest

from actors.spec import Restart, Strategy, Supervision
from runtime.core.supervision_child import EXITS_KEPT
from runtime.errors import ConflictError
from runtime.supervision.supervisor import ChildSpec, Supervisor
from tests.unit.supervisor_suite.scene import BOOM, Scene, Worker, looked_after, nested
from tests.unit.supervisor_suite.test_dynamic import Crowd
from tests.unit.supervisor_suite.virtual_time import on_virtual_time, rest

SUBTREE = Supervision(backoff=looked_after().backoff, shutdown_seconds=math.inf)


def branch(name: str, log: list[str]) -> tuple[Supervisor, dict[str, Worker]]:
    """A supervisor over two workers that gives up at the first restart."""
    workers = {f"{name}{number}": Worker(f"{name}{number}", log) for number in (1, 2)}
    return nested(name, [ChildSpec(worker, looked_after()) for worker in workers.values()]), workers


@on_virtual_time
async def test_a_tree_is_stopped_depth_first_the_last_started_first() -> None:
    """When asked to shut down, a supervisor terminates all children in reversed start order; so does each below it.

    Supervisor Behaviour: Stopping.
    """
    log: list[str] = []
    x, _ = branch("x", log)
    y, _ = branch("y", log)
    scene = Scene("", others=[ChildSpec(x, SUBTREE), ChildSpec(y, SUBTREE)])
    async with scene.running() as supervisor:
        assert log == ["start x1", "start x2", "start y1", "start y2"]
        log.clear()
        await supervisor.stop(60.0)
        assert log == ["stop y2", "stop y1", "stop x2", "stop x1"]


@pytest.mark.parametrize(
    ("strategy", "restarted"),
    [
        (Strategy.ONE_FOR_ONE, ["stop x2", "start x1", "start x2"]),
        (Strategy.REST_FOR_ONE, ["stop x2", "stop y2", "stop y1", "start x1", "start x2", "start y1", "start y2"]),
    ],
)
@on_virtual_time
async def test_a_branch_that_gives_up_is_restarted_as_a_child_by_the_strategy_above(
    strategy: Strategy, restarted: list[str]
) -> None:
    """A supervisor that has terminated itself is to the next higher one a child that has exited.

    "The next higher-level supervisor takes some action. It either restarts the terminated supervisor or terminates
    itself."

    Supervisor Behaviour: Maximum Restart Intensity; Restart Strategy.
    """
    log: list[str] = []
    x, of_x = branch("x", log)
    y, _ = branch("y", log)
    scene = Scene("", others=[ChildSpec(x, SUBTREE), ChildSpec(y, SUBTREE)], strategy=strategy)
    async with scene.running():
        log.clear()
        of_x["x1"].exit(BOOM)
        await rest()
        assert log == restarted


@on_virtual_time
async def test_a_failure_climbs_as_far_as_nobody_has_restarts_left() -> None:
    """Each level that exceeds its intensity passes the failure on; the last one ends the tree.

    Supervisor Behaviour: Maximum Restart Intensity.
    """
    log: list[str] = []
    x, of_x = branch("x", log)
    middle = nested("middle", [ChildSpec(x, SUBTREE)])
    scene = Scene("a", others=[ChildSpec(middle, SUBTREE)], max_restarts=0)
    async with scene.running() as supervisor:
        of_x["x2"].exit(BOOM)
        await rest()
        assert scene.alive() == ""
        assert "gave up" in str(scene.ends[0])
        assert await supervisor.wait_stopped() is scene.ends[0]
        with pytest.raises(ConflictError):
            await supervisor.terminate_child("a")


@pytest.mark.parametrize("reason", [None, BOOM])
@on_virtual_time
async def test_nothing_is_kept_of_temporary_children_that_are_gone(reason: BaseException | None) -> None:
    """do_not_save_start_parameters_ and do_not_save_child_specs_for_temporary_children.

    "If the child is temporary, the child specification is deleted as soon as the process terminates."

    supervisor: `terminate_child/2`, `delete_child/2`.
    """
    scene = Scene("a")
    async with scene.running() as supervisor:
        for number in range(200):
            name = f"t{number}"
            worker = Worker(name, scene.log)
            await supervisor.add_child(ChildSpec(worker, looked_after(Restart.TEMPORARY)))
            worker.exit(reason)
            await rest()
        assert supervisor.count_children().specs == 1
        assert set(supervisor._children) == {"a"}
        assert len(supervisor._machine.departed) == EXITS_KEPT


@on_virtual_time
async def test_a_dynamic_supervisor_keeps_nothing_of_children_that_are_gone() -> None:
    """simple_one_for_one_scale_many_temporary_children: ten thousand of them come and go.

    supervisor: `simple_one_for_one` (Supervision Principles: Restart Strategy).
    """
    crowd = Crowd(looked_after(Restart.TEMPORARY))
    async with crowd.running() as supervisor:
        names = [f"t{number}" for number in range(10_000)]
        for name in names:
            await supervisor.start_child(name)
        assert supervisor.count_children().active == len(names)
        for name in names:
            crowd.made[name].exit(None)
        await rest()
        assert supervisor.count_children().workers == 0
        assert not supervisor._children
        assert len(supervisor._machine.departed) == EXITS_KEPT
