"""After OTP's supervisor_SUITE: restart type x exit reason x strategy. Sections named are of OTP's documentation:
`supervisor` is the stdlib module, `Supervisor Behaviour` the chapter of the Design Principles.
"""

from __future__ import annotations

import asyncio

import pytest

from actors.spec import Restart, Strategy
from tests.unit.supervisor_suite.scene import BOOM, SHUTDOWN, Scene, looked_after
from tests.unit.supervisor_suite.virtual_time import on_virtual_time

REASONS = {"normal": None, "shutdown": SHUTDOWN, "crash": BOOM, "cancelled": asyncio.CancelledError()}
RESTARTED = {
    Restart.PERMANENT: {"normal", "shutdown", "crash", "cancelled"},
    Restart.TRANSIENT: {"crash", "cancelled"},
    Restart.TEMPORARY: set(),
}
SIBLINGS = {
    Strategy.ONE_FOR_ONE: ["start b"],
    Strategy.REST_FOR_ONE: ["stop c", "start b", "start c"],
    Strategy.ONE_FOR_ALL: ["stop c", "stop a", "start a", "start b", "start c"],
}


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("reason", REASONS)
@on_virtual_time
async def test_restart_type_and_reason_decide_whether_and_the_strategy_who_else(
    strategy: Strategy, restart: Restart, reason: str
) -> None:
    """A permanent child is always restarted, a transient one after an abnormal exit (neither normal nor shutdown), a
    temporary one never; the strategy applies if the child "is to be restarted".

    supervisor: Restart Strategies; Child specification, `restart`.
    """
    scene = Scene({"a": looked_after(), "b": looked_after(restart), "c": looked_after()}, strategy=strategy)
    async with scene.running():
        await scene.exit("b", REASONS[reason])
        comes_back = reason in RESTARTED[restart]
        assert scene.seen() == (SIBLINGS[strategy] if comes_back else [])
        assert scene.alive() == ("abc" if comes_back else "ac")


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize(("restart", "listed"), [(Restart.TRANSIENT, "abc"), (Restart.TEMPORARY, "ac")])
@on_virtual_time
async def test_a_child_that_ended_for_good_stays_listed_unless_it_is_temporary(
    strategy: Strategy, restart: Restart, listed: str
) -> None:
    """The specification of a temporary child is deleted when it ends; a transient child's is kept.

    supervisor: `terminate_child/2`; Supervisor Behaviour: Stopping a Child Process.
    """
    scene = Scene({"a": looked_after(), "b": looked_after(restart), "c": looked_after()}, strategy=strategy)
    async with scene.running():
        await scene.exit("b", None)
        assert scene.listed() == listed


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
@on_virtual_time
async def test_a_temporary_sibling_is_terminated_and_not_restarted(strategy: Strategy) -> None:
    """A temporary child is never restarted, "even when ... a sibling's death causes the temporary process to be
    terminated".

    supervisor: Child specification, `restart`.
    """
    scene = Scene({"a": looked_after(), "b": looked_after(Restart.TEMPORARY)}, strategy=strategy)
    async with scene.running():
        await scene.exit("a")
        assert scene.seen() == ["stop b", "start a"]
        assert scene.listed() == "a"


@on_virtual_time
async def test_a_transient_sibling_that_had_ended_comes_back_with_one_for_all() -> None:
    """All other children are terminated, "then all child processes are restarted": also one that had ended normally.

    supervisor: Restart Strategies, `one_for_all`.
    """
    scene = Scene({"a": looked_after(), "b": looked_after(Restart.TRANSIENT)}, strategy=Strategy.ONE_FOR_ALL)
    async with scene.running():
        await scene.exit("b", None)
        await scene.exit("a")
        assert scene.seen() == ["start a", "start b"]


@on_virtual_time
async def test_children_before_the_failed_one_are_spared_by_rest_for_one() -> None:
    """The children "after the terminated child process in the start order" are terminated and restarted.

    supervisor: Restart Strategies, `rest_for_one`.
    """
    scene = Scene("abcd", strategy=Strategy.REST_FOR_ONE)
    async with scene.running():
        await scene.exit("c")
        assert scene.seen() == ["stop d", "start c", "start d"]


@pytest.mark.parametrize("strategy", Strategy)
@on_virtual_time
async def test_a_restart_that_fails_is_tried_again_and_counted_again(strategy: Strategy) -> None:
    """A child that cannot be restarted is tried again until the intensity is reached.

    supervisor: Restart intensity and period; supervisor_SUITE: one_for_one, "child fails restart".
    """
    scene = Scene("a", strategy=strategy)
    async with scene.running():
        scene.workers["a"].start_errors = [BOOM, BOOM]
        await scene.exit("a")
        assert scene.seen() == ["start a"] * 3
        scene.workers["a"].start_errors = [BOOM]
        await scene.exit("a")
        assert len(scene.ends) == 1


@on_virtual_time
async def test_a_sibling_that_fails_its_restart_makes_all_begin_again_under_one_for_all() -> None:
    """The failed sibling's restart is itself a restart under the strategy.

    supervisor_SUITE: one_for_all, "other child fails restart".
    """
    scene = Scene("abc", strategy=Strategy.ONE_FOR_ALL)
    async with scene.running():
        scene.workers["b"].start_errors = [BOOM]
        await scene.exit("a")
        assert scene.seen() == ["stop c", "stop b", "start a", "start b", "stop a", "start a", "start b", "start c"]


@on_virtual_time
async def test_a_sibling_that_fails_its_restart_spares_those_before_it_under_rest_for_one() -> None:
    """The failed sibling and those after it begin again; the child that had exited runs already.

    supervisor_SUITE: rest_for_one, "other child fails restart".
    """
    scene = Scene("abc", strategy=Strategy.REST_FOR_ONE)
    async with scene.running():
        scene.workers["b"].start_errors = [BOOM]
        await scene.exit("a")
        assert scene.seen() == ["stop c", "stop b", "start a", "start b", "start b", "start c"]
