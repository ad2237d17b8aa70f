"""After OTP's supervisor_SUITE: child_adm: children started, terminated, restarted, deleted, counted by request."""

from __future__ import annotations

import pytest

from actors.spec import Restart, Strategy
from runtime.errors import ConflictError, NotFoundError
from runtime.supervision.supervisor import ChildSpec
from tests.unit.supervisor_suite.scene import BOOM, Scene, Worker, looked_after, nested
from tests.unit.supervisor_suite.virtual_time import on_virtual_time, rest


@on_virtual_time
async def test_a_child_can_be_added_and_is_supervised_like_the_others() -> None:
    """`start_child/2` adds a child specification dynamically, and starts the child.

    supervisor: `start_child/2`.
    """
    scene = Scene("ab")
    async with scene.running() as supervisor:
        await scene.add("c")
        await scene.exit("c")
        assert scene.alive() == "abc"
        scene.seen()
        await supervisor.stop(60.0)
        assert scene.seen() == ["stop c", "stop b", "stop a"]


@on_virtual_time
async def test_a_name_is_taken_whether_its_child_runs_or_not() -> None:
    """`{error, {already_started, Child}}`, or `{error, already_present}` where it does not run.

    supervisor: `start_child/2`.
    """
    scene = Scene("a")
    async with scene.running() as supervisor:
        for _ in range(2):
            with pytest.raises(ConflictError, match="already has a child 'a'"):
                await supervisor.add_child(ChildSpec(Worker("a", scene.log)))
            await supervisor.terminate_child("a")


@on_virtual_time
async def test_a_child_that_cannot_start_is_not_added() -> None:
    """If the start fails, "the child specification is discarded".

    supervisor: `start_child/2`.
    """
    scene = Scene("a")
    async with scene.running() as supervisor:
        late = Worker("b", scene.log)
        late.start_errors = [BOOM]
        with pytest.raises(ValueError, match="boom"):
            await supervisor.add_child(ChildSpec(late))
        assert scene.listed() == "a"
        assert scene.ends == []


@on_virtual_time
async def test_a_terminated_child_stays_listed_unless_it_is_temporary() -> None:
    """The process is terminated "and, unless it is a temporary child, the child specification is kept".

    supervisor: `terminate_child/2`.
    """
    scene = Scene({"a": looked_after(), "b": looked_after(Restart.TEMPORARY), "c": looked_after(Restart.TRANSIENT)})
    async with scene.running() as supervisor:
        for name in "abc":
            await supervisor.terminate_child(name)
        assert (scene.alive(), scene.listed()) == ("", "ac")
        await supervisor.terminate_child("a")
        with pytest.raises(NotFoundError):
            await supervisor.terminate_child("b")


@on_virtual_time
async def test_a_terminated_child_is_restarted_by_request_alone() -> None:
    """The child "can later be restarted by `restart_child/2`". OTP also restarts it with a sibling under one_for_all;
    here what a person took down stays down.

    supervisor: `terminate_child/2`.
    """
    scene = Scene("ab", strategy=Strategy.ONE_FOR_ALL)
    async with scene.running() as supervisor:
        await supervisor.terminate_child("b")
        await scene.exit("a")
        assert scene.alive() == "a"
        await supervisor.restart_child("b")
        assert scene.alive() == "ab"


@on_virtual_time
async def test_only_a_child_that_is_down_can_be_restarted_or_deleted() -> None:
    """`{error, running}`, and `{error, restarting}` for one that is about to be restarted.

    supervisor: `restart_child/2`, `delete_child/2`.
    """
    scene = Scene("ab")
    async with scene.running() as supervisor:
        scene.workers["b"].start_takes = 10.0
        await scene.exit("b")
        for name in "ab":
            with pytest.raises(ConflictError, match="terminate it first"):
                await supervisor.restart_child(name)
            with pytest.raises(ConflictError, match="terminate it first"):
                await supervisor.delete_child(name)


@on_virtual_time
async def test_terminating_a_child_that_restarts_ends_the_restarts() -> None:
    """A child in a restart loop can be terminated, and then deleted.

    supervisor_SUITE: hanging_restart_loop.
    """
    scene = Scene("a", max_restarts=1000)
    async with scene.running() as supervisor:
        scene.workers["a"].start_takes = 3600.0
        await scene.exit("a")
        await supervisor.terminate_child("a")
        await supervisor.delete_child("a")
        assert (scene.alive(), scene.listed(), scene.ends) == ("", "", [])


@on_virtual_time
async def test_a_restart_by_request_that_fails_leaves_the_child_down_and_is_not_counted() -> None:
    """The error is returned, and the child stays without a process.

    supervisor: `restart_child/2`.
    """
    scene = Scene("a", max_restarts=0)
    async with scene.running() as supervisor:
        await supervisor.terminate_child("a")
        scene.workers["a"].start_errors = [BOOM]
        with pytest.raises(ValueError, match="boom"):
            await supervisor.restart_child("a")
        await rest()
        assert (scene.alive(), scene.ends) == ("", [])


@on_virtual_time
async def test_unknown_children_are_not_found() -> None:
    """`{error, not_found}`.

    supervisor: `terminate_child/2`, `restart_child/2`, `delete_child/2`.
    """
    scene = Scene("a")
    async with scene.running() as supervisor:
        for request in (supervisor.terminate_child, supervisor.restart_child, supervisor.delete_child):
            with pytest.raises(NotFoundError, match="'root' has no child 'x'"):
                await request("x")


@on_virtual_time
async def test_children_are_counted_whether_they_run_or_not() -> None:
    """`specs`: all, dead or alive; `active`: those that run; `supervisors` and `workers`: of either kind, "regardless
    if the child process is still alive".

    supervisor: `count_children/1`, `which_children/1`.
    """
    scene = Scene("ab", others=[ChildSpec(nested("inner", ()))])
    async with scene.running() as supervisor:
        await supervisor.terminate_child("a")
        await supervisor.terminate_child("inner")
        counts = supervisor.count_children()
        assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (3, 1, 1, 2)
        assert [child.state for child in supervisor.which_children()] == ["terminated", "running", "terminated"]


@on_virtual_time
async def test_the_last_exits_of_a_child_are_told() -> None:
    """Beyond OTP: reasons are kept, not only reported.

    supervisor: `which_children/1`.
    """
    scene = Scene("a")
    async with scene.running() as supervisor:
        await scene.exit("a", KeyError("one"))
        await scene.exit("a", None)
        [child] = supervisor.which_children()
        assert [ended.reason for ended in child.exits] == ["KeyError: 'one'", "normal exit"]
