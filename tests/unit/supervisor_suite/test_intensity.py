"""After OTP's supervisor_SUITE: restart intensity and what happens when it is reached."""

from __future__ import annotations

import asyncio

import pytest

from actors.spec import Restart, Strategy
from runtime.core.supervision_errors import RestartLimitError
from runtime.supervision.supervisor import ChildSpec
from tests.unit.supervisor_suite.scene import BOOM, Scene, Worker, looked_after, nested
from tests.unit.supervisor_suite.virtual_time import on_virtual_time, rest


@pytest.mark.parametrize("strategy", Strategy)
@on_virtual_time
async def test_more_restarts_than_the_intensity_end_the_supervisor_and_exactly_as_many_do_not(
    strategy: Strategy,
) -> None:
    """If "more than MaxR restarts occur within MaxT seconds, the supervisor terminates all child processes and then
    itself".

    supervisor: Restart intensity and period; Supervisor Behaviour: Maximum Restart Intensity.
    """
    scene = Scene("abc", strategy=strategy, max_restarts=2)
    async with scene.running():
        await scene.exit("b")
        await scene.exit("b")
        assert (scene.alive(), scene.ends) == ("abc", [])
        scene.seen()
        await scene.exit("b")
        assert scene.seen() == ["stop c", "stop a"]
        [reason] = scene.ends
        assert isinstance(reason, RestartLimitError)
        assert reason.__cause__ is BOOM


@on_virtual_time
async def test_restarts_of_all_children_are_counted_together() -> None:
    """The intensity belongs to the supervisor, not to the child.

    Supervisor Behaviour: Maximum Restart Intensity.
    """
    scene = Scene("abc", max_restarts=2)
    async with scene.running():
        for name in "abc":
            await scene.exit(name)
        assert len(scene.ends) == 1


@pytest.mark.parametrize(("pause", "survives"), [(4.9, False), (5.1, True)])
@on_virtual_time
async def test_only_restarts_within_the_period_count(pause: float, *, survives: bool) -> None:
    """MaxR restarts "in the last MaxT seconds".

    Supervisor Behaviour: Maximum Restart Intensity.
    """
    scene = Scene("a", max_restarts=1)
    async with scene.running():
        await scene.exit("a")
        await asyncio.sleep(pause)
        await scene.exit("a")
        assert (scene.alive() == "a") is survives


@on_virtual_time
async def test_none_is_forgiven_where_the_intensity_is_zero() -> None:
    """`intensity` is any non-negative integer.

    supervisor: Supervisor flags.
    """
    scene = Scene("a", max_restarts=0)
    async with scene.running():
        await scene.exit("a")
        assert len(scene.ends) == 1


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
@on_virtual_time
async def test_exits_that_restart_nothing_are_not_counted(restart: Restart) -> None:
    """Restarts are counted, not exits.

    supervisor: Restart intensity and period.
    """
    scene = Scene({name: looked_after(restart) for name in "abc"}, max_restarts=0)
    async with scene.running():
        for name in "abc":
            await scene.exit(name, None)
        assert scene.ends == []


@on_virtual_time
async def test_one_for_all_counts_one_restart_however_many_children_begin_again() -> None:
    """One exit, one restart.

    supervisor: Restart intensity and period.
    """
    scene = Scene("abcd", strategy=Strategy.ONE_FOR_ALL, max_restarts=1)
    async with scene.running():
        await scene.exit("a")
        assert scene.alive() == "abcd"


@on_virtual_time
async def test_the_supervisor_above_restarts_one_that_gave_up_with_a_clean_count() -> None:
    """When the supervisor terminates, "the next higher-level supervisor takes some action. It either restarts the
    terminated supervisor or terminates itself".

    Supervisor Behaviour: Maximum Restart Intensity.
    """
    log: list[str] = []
    worker = Worker("w", log)
    inner = nested("inner", [ChildSpec(worker, looked_after())], max_restarts=1)
    scene = Scene("", others=[ChildSpec(inner, looked_after())], max_restarts=1)
    async with scene.running():
        for _ in range(3):
            worker.exit()
            await rest()
        assert worker.alive
        worker.exit()
        await rest()
        worker.exit()
        await rest()
        [reason] = scene.ends
        assert isinstance(reason, RestartLimitError)
        assert reason.child == "inner"
        assert not worker.alive


@on_virtual_time
async def test_above_a_supervisor_that_gave_up_a_transient_one_is_restarted() -> None:
    """Here OTP differs: its supervisor gives up with `shutdown`, which is normal to a transient child's supervisor.

    supervisor: Restart intensity and period.
    """
    worker = Worker("w", [])
    inner = nested("inner", [ChildSpec(worker, looked_after())])
    scene = Scene("", others=[ChildSpec(inner, looked_after(Restart.TRANSIENT))])
    async with scene.running():
        worker.exit()
        await rest()
        assert worker.alive
