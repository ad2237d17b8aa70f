"""Trees declared as data: what contradicts itself is refused with its path, when it is declared."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any, cast

import msgspec
import pytest

from actors import (
    Actor,
    ActorSpec,
    AutoShutdown,
    Bounded,
    DynamicSpec,
    Intensity,
    Restart,
    SpecError,
    Supervision,
    SupervisorSpec,
    check_tree,
)
from runtime import App
from runtime.clock import SystemClock
from runtime.errors import ConflictError
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import ChildSpec, Supervisor, TaskChild


class Idler(Actor):
    """Has nothing to do."""


class Kept(msgspec.Struct):
    n: int = 0


class Keeper(Actor):
    state: Kept


SIGNIFICANT = Supervision(restart=Restart.TRANSIENT, significant=True)


def worker(name: str, supervision: Supervision | None = None) -> ActorSpec:
    return ActorSpec(name, Idler, supervision=supervision or Supervision())


@pytest.mark.parametrize(
    ("children", "problem"),
    [
        ([worker("a"), worker("a")], "root/a: two children of 'root' have this name; rename one"),
        ([worker("")], "root/: '' is no name"),
        ([worker("a/b")], "root/a/b: 'a/b' is no name"),
        ([worker("a", SIGNIFICANT)], "root/a: significant, but the supervisor above never shuts down by itself"),
        ([SupervisorSpec("s", [worker("b"), worker("b")])], "root/s/b: two children of 's' have this name"),
        ([SupervisorSpec("s", [worker("b", SIGNIFICANT)])], "root/s/b: significant, but the supervisor above never"),
        ([DynamicSpec("d", Idler, template=SIGNIFICANT)], "root/d: children of a dynamic supervisor cannot be signif"),
        ([ActorSpec("a", cast("Any", int))], "root/a: its actor must be a class derived from Actor, not <class 'int'>"),
        ([DynamicSpec("a", cast("Any", "x"))], "root/a: its actor must be a class derived from Actor, not 'x'"),
        ([ActorSpec("a", Keeper)], "root/a: Keeper has a durable state, which only actors of keyed services have"),
        (["a"], "root/?: 'a' is none of ActorSpec, DynamicSpec and SupervisorSpec"),
    ],
)
def test_a_tree_that_contradicts_itself_is_refused_with_the_path(children: list[Any], problem: str) -> None:
    with pytest.raises(SpecError) as raised:
        App("test").tree(SupervisorSpec("root", children))
    assert str(raised.value).startswith(problem)
    assert raised.value.field == problem.split(":", maxsplit=1)[0]


def test_a_significant_child_is_taken_where_the_supervisor_shuts_down_by_itself() -> None:
    check_tree(SupervisorSpec("root", [worker("a", SIGNIFICANT)], auto_shutdown=AutoShutdown.ANY_SIGNIFICANT))


def test_a_supervisor_among_its_own_children_is_refused() -> None:
    children: list[Any] = []
    inner = SupervisorSpec("inner", children)
    children.append(inner)
    with pytest.raises(SpecError, match="root/inner/inner: a supervisor cannot be below itself"):
        check_tree(SupervisorSpec("root", [inner]))


@pytest.mark.parametrize("name", ["store", "services", "http", "twice", "Upper", "a b", ""])
def test_the_name_of_a_tree_is_a_word_that_nothing_else_of_the_app_has(name: str) -> None:
    app = App("test")
    app.tree(SupervisorSpec("twice"))
    with pytest.raises(SpecError):
        app.tree(SupervisorSpec(name))


def test_what_is_no_supervisor_is_no_tree() -> None:
    tree: Any = worker("a")
    with pytest.raises(SpecError, match="tree: must be a SupervisorSpec"):
        App("test").tree(tree)


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


async def for_ever() -> None: ...


@pytest.mark.parametrize(
    "make",
    [
        lambda: Supervision(shutdown_seconds=0.0),
        lambda: Supervision(shutdown_seconds=-1.0),
        lambda: Supervision(shutdown_seconds=math.nan),
        lambda: Supervision(start_seconds=0.0),
        lambda: Supervision(hang_seconds=-math.inf),
        lambda: Supervision(restart=Restart.PERMANENT, significant=True),
        lambda: Intensity(max_restarts=-1),
        lambda: Intensity(period_seconds=0.0),
        lambda: Bounded(0),
        lambda: DynamicSupervisor(
            "d",
            lambda name: TaskChild(name, for_ever, clock=SystemClock()),
            SIGNIFICANT,
            clock=SystemClock(),
            random=Random(1),
        ),
    ],
)
def test_limits_that_make_no_sense_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(SpecError):
        make()
