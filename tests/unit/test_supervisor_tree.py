"""Trees declared as data."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from actors.errors import SpecError
from actors.spec import AutoShutdown, Intensity, Restart, Strategy, Supervision
from runtime.clock import SystemClock
from runtime.errors import ConflictError
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import ChildSpec, Supervisor, TaskChild
from runtime.supervision.tree import DynamicSpec, NodeSpec, SupervisorSpec, WorkerSpec, check_tree, make_tree


async def for_ever() -> None:
    await asyncio.Event().wait()


def task(name: str) -> TaskChild:
    return TaskChild(name, for_ever, clock=SystemClock())


def worker(name: str, supervision: Supervision | None = None) -> WorkerSpec:
    return WorkerSpec(name=name, make=task, supervision=supervision or Supervision())


def made(tree: SupervisorSpec) -> Supervisor:
    return make_tree(tree, clock=SystemClock(), random=Random(1))


TREE = SupervisorSpec(
    name="root",
    strategy=Strategy.REST_FOR_ONE,
    children=[
        worker("store"),
        SupervisorSpec(name="services", children=[worker("flights"), worker("crews")], strategy=Strategy.ONE_FOR_ALL),
        DynamicSpec(name="sessions", make=task, template=Supervision(restart=Restart.TEMPORARY)),
    ],
)


async def test_a_tree_is_made_started_and_stopped_as_declared() -> None:
    root = made(TREE)
    await root.start(lambda _: None)
    node = root.node()
    assert [(child.name, child.strategy, child.state) for child in node.children] == [
        ("store", None, "running"),
        ("services", "one_for_all", "running"),
        ("sessions", "simple_one_for_one", "running"),
    ]
    assert [child.name for child in node.children[1].children] == ["flights", "crews"]
    assert [child.supervision.shutdown_seconds for child in root.which_children()] == [5.0, math.inf, math.inf]
    await root.stop(5.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_same_tree_can_be_made_twice() -> None:
    assert made(TREE) is not made(TREE)


SIGNIFICANT = Supervision(restart=Restart.TRANSIENT, significant=True)


@pytest.mark.parametrize(
    ("children", "problem"),
    [
        ([worker("a"), worker("a")], "root/a: two children of 'root' have this name; rename one"),
        ([worker("")], "root/: '' is no name"),
        ([worker("a/b")], "root/a/b: 'a/b' is no name"),
        ([worker("a", SIGNIFICANT)], "root/a: significant, but the supervisor above never shuts down by itself"),
        (
            [SupervisorSpec(name="s", children=[worker("b"), worker("b")])],
            "root/s/b: two children of 's' have this name",
        ),
        (
            [SupervisorSpec(name="s", children=[worker("b", SIGNIFICANT)])],
            "root/s/b: significant, but the supervisor above never shuts down by itself",
        ),
        (
            [DynamicSpec(name="d", make=task, template=SIGNIFICANT)],
            "root/d: children of a dynamic supervisor cannot be significant",
        ),
        (
            [WorkerSpec(name="a", make=lambda _: task("b"))],
            "root/a: its make returned a child named 'b'; name it as it is told",
        ),
    ],
)
def test_a_tree_that_contradicts_itself_is_refused_with_the_path(children: list[NodeSpec], problem: str) -> None:
    with pytest.raises(SpecError) as raised:
        made(SupervisorSpec(name="root", children=children))
    assert str(raised.value).startswith(problem)
    assert raised.value.field == problem.split(":", maxsplit=1)[0]


def test_a_significant_child_is_taken_where_the_supervisor_shuts_down_by_itself() -> None:
    check_tree(
        SupervisorSpec(name="root", children=[worker("a", SIGNIFICANT)], auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    )


def test_a_supervisor_among_its_own_children_is_refused() -> None:
    children: list[NodeSpec] = []
    inner = SupervisorSpec(name="inner", children=children)
    children.append(inner)
    with pytest.raises(SpecError, match="root/inner/inner: a supervisor cannot be below itself"):
        check_tree(SupervisorSpec(name="root", children=[inner]))


async def test_a_supervisor_that_is_added_below_itself_is_refused() -> None:
    inner = Supervisor("inner", clock=SystemClock(), random=Random(1))
    root = Supervisor("root", [ChildSpec(inner)], clock=SystemClock(), random=Random(1))
    await root.start(lambda _: None)
    for above in (root, inner):
        with pytest.raises(SpecError, match="a supervisor cannot be below itself"):
            await inner.add_child(ChildSpec(above))
    with pytest.raises(ConflictError):
        await root.add_child(ChildSpec(inner))
    await root.stop(5.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Supervision(shutdown_seconds=0.0),
        lambda: Supervision(shutdown_seconds=-1.0),
        lambda: Supervision(shutdown_seconds=math.nan),
        lambda: Supervision(start_seconds=0.0),
        lambda: Supervision(hang_seconds=-math.inf),
        lambda: Intensity(max_restarts=-1),
        lambda: Intensity(period_seconds=0.0),
        lambda: DynamicSupervisor("d", task, SIGNIFICANT, clock=SystemClock(), random=Random(1)),
    ],
)
def test_limits_that_make_no_sense_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(SpecError):
        make()
