"""Supervisors of a tree at run time: count, which, start, restart, terminate and delete children."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors import (
    Actor,
    ActorSpec,
    ActorStoppedError,
    Bounded,
    DynamicSpec,
    Intensity,
    Overflow,
    Restart,
    SpecError,
    Supervision,
    SupervisorSpec,
)
from runtime.errors import ConflictError, NotFoundError
from tests.unit.arena import wait_until
from tests.unit.grove import Grove, grove
from tests.unit.grove_actors import (
    TRANSIENT,
    Crash,
    Do,
    GetNotes,
    Note,
    Worker,
    forget_all,
    logged,
    team,
    worker,
)

__all__ = ["forget_all"]  # a fixture for every test works where it is imported


async def test_children_come_and_go_at_run_time() -> None:
    async with grove(team()) as trees:
        supervisor = trees.supervisor_at("app/team")
        d = await supervisor.start_child(worker("d"))
        d.tell(Note("1"))
        assert await d.ask(GetNotes()) == ["1"]
        inner = await supervisor.start_child(SupervisorSpec("inner", [worker("e")]))
        assert inner.path == "app/team/inner"
        counts = supervisor.count_children()
        assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (5, 5, 1, 4)
        await supervisor.terminate_child("d")
        with pytest.raises(ActorStoppedError):
            d.tell(Note("2"))
        assert supervisor.which_children()[3].state == "terminated"
        await supervisor.restart_child("d")
        assert await d.ask(GetNotes()) == []
        await supervisor.terminate_child("d")
        await supervisor.delete_child("d")
        with pytest.raises(NotFoundError):
            trees.lookup("team/d")


Misuse = Callable[[Grove], Any]


@pytest.mark.parametrize(
    ("misuse", "error"),
    [
        (lambda trees: trees.supervisor_at("team").start_child(worker("a")), ConflictError),
        (lambda trees: trees.supervisor_at("team").start_child("x"), SpecError),
        (lambda trees: trees.supervisor_at("team").start_child(worker("x/y")), SpecError),
        (
            lambda trees: trees.supervisor_at("team").start_child(
                worker("x", Supervision(restart=Restart.TEMPORARY, significant=True))
            ),
            SpecError,
        ),
        (lambda trees: trees.supervisor_at("team").delete_child("a"), ConflictError),
        (lambda trees: trees.supervisor_at("team").restart_child("a"), ConflictError),
        (lambda trees: trees.supervisor_at("team").terminate_child("x"), NotFoundError),
        (lambda trees: trees.supervisor_at("team/pool").start_child(worker("x")), SpecError),
        (lambda trees: trees.supervisor_at("team/pool").start_child("x/y"), SpecError),
        (lambda trees: trees.supervisor_at("team/pool").restart_child("x"), ConflictError),
        (lambda trees: trees.supervisor_at("team/pool").delete_child("x"), ConflictError),
        (lambda trees: trees.supervisor_at("team/pool").terminate_child("x"), NotFoundError),
    ],
)
async def test_what_cannot_be_asked_of_a_supervisor_is_refused_and_changes_nothing(
    misuse: Misuse, error: type[Exception]
) -> None:
    async with grove(SupervisorSpec("team", [worker("a"), DynamicSpec("pool", Worker)])) as trees:
        with pytest.raises(error):
            await misuse(trees)
        assert [child.name for child in trees.supervisor_at("team").which_children()] == ["a", "pool"]


@pytest.mark.parametrize("path", ["team/a", "team/x", "team/a/x", "other", "app/other"])
async def test_what_is_no_supervisor_is_not_found(path: str) -> None:
    async with grove(team()) as trees:
        with pytest.raises(NotFoundError, match=f"there is no supervisor '{path}' in the trees of app"):
            trees.supervisor_at(path)


async def test_a_dynamic_supervisor_starts_actors_of_one_class_by_name_and_forgets_those_that_end() -> None:
    pool = DynamicSpec(
        "pool", Worker, template=TRANSIENT, mailbox=Bounded(2, Overflow.REFUSE), intensity=Intensity(max_restarts=1)
    )
    async with grove(SupervisorSpec("team", [pool])) as trees:
        supervisor = trees.supervisor_at("team/pool")
        refs = [await supervisor.start_child(name) for name in ("one", "two")]
        with pytest.raises(ConflictError, match="already has a child 'one'"):
            await supervisor.start_child("one")
        refs[0].tell(Crash())
        assert await refs[0].ask(GetNotes()) == []
        counts = supervisor.count_children()
        assert (counts.specs, counts.active, counts.workers) == (1, 2, 2)
        refs[1].tell(Do("stop"))
        await wait_until(lambda: supervisor.count_children().workers == 1)
        await supervisor.terminate_child("one")
        assert supervisor.which_children() == ()
        with pytest.raises(ActorStoppedError):
            refs[0].tell(Note("x"))


async def test_an_actor_reaches_the_others_and_the_supervisors_of_its_tree_by_path() -> None:
    class Boss(Actor):
        async def hire(self, do: Do) -> None:
            ref = await self.ctx.supervisor("team/pool").start_child(do.what)
            ref.tell(Note("hello"))
            self.ctx.ref("team/a").tell(Note(ref.path))

    async with grove(SupervisorSpec("team", [worker("a"), DynamicSpec("pool", Worker), ActorSpec("boss", Boss)])) as it:
        it.lookup("team/boss").tell(Do("x"))
        await logged("start x")
        await wait_until(lambda: it.node("a").handled == 1)
        assert await it.lookup("team/a").ask(GetNotes()) == ["app/team/pool/x"]
