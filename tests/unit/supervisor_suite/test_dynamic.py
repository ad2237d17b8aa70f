"""After OTP's supervisor_SUITE: simple_one_for_one."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from actors.errors import SpecError, StartIgnoredError
from actors.spec import Backoff, Intensity, Restart, Supervision
from runtime.core.supervision_errors import RestartLimitError, StartTimeoutError
from runtime.errors import ConflictError, NotFoundError
from runtime.supervision.dynamic import DynamicSupervisor
from runtime.supervision.supervisor import ChildSpec, OnExit
from tests.unit.supervisor_suite.scene import AT_ONCE, BOOM, SHUTDOWN, Scene, Worker, looked_after
from tests.unit.supervisor_suite.virtual_time import VirtualClock, on_virtual_time, rest


class Crowd:
    """A dynamic supervisor; its workers are `made` by name."""

    def __init__(self, supervision: Supervision | None = None, *, max_restarts: int = 3) -> None:
        self.log: list[str] = []
        self.made: dict[str, Worker] = {}
        self.prepared: dict[str, Worker] = {}
        self.ends: list[BaseException | None] = []
        self.supervisor = DynamicSupervisor(
            "crowd",
            self.make,
            supervision or looked_after(),
            intensity=Intensity(max_restarts=max_restarts),
            clock=VirtualClock(),
            random=Random(1),
        )

    def make(self, name: str) -> Worker:
        self.made[name] = self.prepared.get(name) or Worker(name, self.log)
        return self.made[name]

    def prepare(self, name: str) -> Worker:
        self.prepared[name] = Worker(name, self.log)
        return self.prepared[name]

    @asynccontextmanager
    async def running(self, names: str = "") -> AsyncIterator[DynamicSupervisor[[str], Worker]]:
        await self.supervisor.start(self.ends.append)
        for name in names:
            await self.supervisor.start_child(name)
        self.log.clear()
        yield self.supervisor
        await self.supervisor.stop(60.0)
        self.supervisor._machine.validate()
        assert not self.supervisor._children
        assert not self.supervisor._cuts
        assert not self.supervisor._timers
        assert len(self.supervisor._requests) == 0
        assert not any(worker.alive for worker in self.made.values())

    async def exit(self, name: str, reason: BaseException | None = BOOM) -> None:
        self.made[name].exit(reason)
        await rest()
        self.supervisor._machine.validate()

    def listed(self) -> str:
        return "".join(child.name for child in self.supervisor.which_children())


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("reason", [None, SHUTDOWN, BOOM])
@on_virtual_time
async def test_restart_type_and_reason_decide_whether_a_child_comes_back_and_its_siblings_never_notice(
    restart: Restart, reason: BaseException | None
) -> None:
    """ "A simplified one_for_one supervisor, where all child processes are dynamically added instances of the same
    process type."

    supervisor: Restart Strategies, `simple_one_for_one`.
    """
    crowd = Crowd(looked_after(restart))
    async with crowd.running("abc"):
        await crowd.exit("b", reason)
        comes_back = restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and reason is BOOM)
        assert crowd.log == (["start b"] if comes_back else [])
        assert crowd.listed() == ("abc" if comes_back else "ac")


@on_virtual_time
async def test_it_starts_without_children_and_takes_them_one_by_one() -> None:
    """ "No child processes are started" with the supervisor; they are "added dynamically by calling start_child".

    Supervisor Behaviour: Simplified one_for_one Supervisors.
    """
    crowd = Crowd()
    async with crowd.running() as supervisor:
        assert supervisor.count_children().active == 0
        assert (await supervisor.start_child("a")).alive
        with pytest.raises(ConflictError, match="already has a child 'a'"):
            await supervisor.start_child("a")


@on_virtual_time
async def test_a_child_that_cannot_start_is_not_kept() -> None:
    """The error is returned, and nothing is stored; `ignore` is no error.

    supervisor: `start_child/2`.
    """
    crowd = Crowd()
    crowd.prepare("a").start_errors = [BOOM]
    crowd.prepare("b").start_errors = [StartIgnoredError("no need")]
    async with crowd.running() as supervisor:
        with pytest.raises(ValueError, match="boom"):
            await supervisor.start_child("a")
        assert not (await supervisor.start_child("b")).alive
        assert crowd.listed() == ""


@on_virtual_time
async def test_a_restart_that_fails_is_tried_again_until_the_intensity_is_reached() -> None:
    """The intensity is one for all children; when it is reached, all are terminated.

    supervisor_SUITE: simple_one_for_one, "child fails restart"; supervisor: Restart intensity and period.
    """
    crowd = Crowd(max_restarts=3)
    async with crowd.running("ab"):
        crowd.made["a"].start_errors = [BOOM, BOOM]
        await crowd.exit("a")
        assert crowd.log == ["start a"] * 3
        assert crowd.made["a"].alive
        await crowd.exit("b")
        [reason] = crowd.ends
        assert isinstance(reason, RestartLimitError)
        assert crowd.log[3:] == ["stop a"]


@on_virtual_time
async def test_all_children_stop_at_once_in_the_time_of_one() -> None:
    """ "As a simple_one_for_one supervisor can have many children, it shuts them all down asynchronously."

    supervisor: Restart Strategies, `simple_one_for_one`; supervisor_SUITE: simple_one_for_one_shutdown.
    """
    crowd = Crowd(looked_after(shutdown_seconds=2.0))
    async with crowd.running() as supervisor:
        for number in range(1000):
            worker = await supervisor.start_child(f"w{number}")
            worker.stop_takes = 1.0 if number % 2 else math.inf
        before = asyncio.get_running_loop().time()
        await supervisor.stop(60.0)
        assert asyncio.get_running_loop().time() - before == pytest.approx(2.0)
        assert sum(line.startswith("kill") for line in crowd.log) == 500


@on_virtual_time
async def test_a_child_is_terminated_and_forgotten_even_while_it_waits_for_its_restart() -> None:
    """`terminate_child/2` of a child, running or restarting, returns ok and it is gone.

    supervisor: `terminate_child/2`.
    """
    crowd = Crowd()
    async with crowd.running("ab") as supervisor:
        await supervisor.terminate_child("a")
        crowd.made["b"].start_takes = 10.0
        await crowd.exit("b")
        await asyncio.gather(supervisor.terminate_child("b"), supervisor.terminate_child("b"))
        assert crowd.listed() == ""
        with pytest.raises(NotFoundError):
            await supervisor.terminate_child("b")


@on_virtual_time
async def test_children_are_counted_under_one_specification() -> None:
    """`specs` is 1; `active` leaves out those that are about to be restarted.

    supervisor: `count_children/1`.
    """
    crowd = Crowd()
    async with crowd.running("abc") as supervisor:
        crowd.made["b"].start_takes = 10.0
        await crowd.exit("b")
        counts = supervisor.count_children()
        assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (1, 2, 0, 3)
        assert [child.state for child in supervisor.which_children()] == ["running", "starting", "running"]
        node = supervisor.node(max_children=2)
        assert (node.strategy, len(node.children), node.children_total) == ("simple_one_for_one", 2, 3)


@on_virtual_time
async def test_significant_children_are_refused() -> None:
    """Automatic shutdown and simple_one_for_one exclude each other since OTP 27.

    supervisor: Automatic Shutdown.
    """
    with pytest.raises(SpecError, match="crowd: children of a dynamic supervisor cannot be significant"):
        Crowd(looked_after(Restart.TEMPORARY, significant=True))


@on_virtual_time
async def test_a_start_that_hangs_holds_up_nobody_and_ends_with_its_limit() -> None:
    """Here OTP differs: its supervisor waits for each start.

    supervisor: `start_child/2`.
    """
    crowd = Crowd(Supervision(start_seconds=5.0, backoff=AT_ONCE))
    crowd.prepare("a").start_takes = math.inf
    async with crowd.running() as supervisor:
        hanging = asyncio.create_task(supervisor.start_child("a"))
        await rest()
        assert (await supervisor.start_child("b")).alive
        with pytest.raises(StartTimeoutError, match="'a' did not start within 5 s"):
            await hanging
        assert crowd.listed() == "b"


@on_virtual_time
async def test_a_caller_that_is_cancelled_takes_its_start_back() -> None:
    crowd = Crowd()
    crowd.prepare("a").start_takes = math.inf
    async with crowd.running() as supervisor:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await supervisor.start_child("a")
        assert crowd.listed() == ""


@on_virtual_time
async def test_a_stop_ends_starts_and_restarts_that_hang() -> None:
    """Termination of a supervisor ends all that it has begun.

    supervisor: Supervision Principles.
    """
    crowd = Crowd()
    crowd.prepare("a").start_takes = math.inf
    async with crowd.running("b") as supervisor:
        hanging = asyncio.create_task(supervisor.start_child("a"))
        crowd.made["b"].start_takes = math.inf
        await crowd.exit("b")
        await supervisor.stop(60.0)
        with pytest.raises(ConflictError, match="'a' was stopped before it ran"):
            await hanging
        with pytest.raises(ConflictError, match="'crowd' is stopped"):
            await supervisor.start_child("c")


@on_virtual_time
async def test_it_is_a_child_of_a_supervisor_that_restarts_it_empty() -> None:
    """A simple_one_for_one supervisor that is restarted has no children: they were dynamic.

    Supervisor Behaviour: Simplified one_for_one Supervisors.
    """
    crowd = Crowd(max_restarts=0)
    scene = Scene("", others=[ChildSpec(crowd.supervisor, looked_after())])
    async with scene.running() as supervisor:
        await crowd.supervisor.start_child("a")
        await crowd.exit("a")
        assert [child.restarts for child in supervisor.which_children()] == [1]
        assert (crowd.supervisor.node().state, crowd.listed()) == ("running", "")
        assert supervisor.count_children().supervisors == 1


@on_virtual_time
async def test_a_child_that_is_terminated_while_it_waits_leaves_no_timer() -> None:
    crowd = Crowd(Supervision(backoff=Backoff(initial_seconds=60.0, max_seconds=60.0)))
    async with crowd.running("a") as supervisor:
        await crowd.exit("a")
        assert [child.state for child in supervisor.which_children()] == ["waiting"]
        await supervisor.terminate_child("a")
        assert crowd.listed() == ""
        assert not supervisor._timers


@on_virtual_time
async def test_a_start_that_succeeds_although_it_was_cut_is_stopped() -> None:
    crowd = Crowd()
    late = crowd.prepare("a")
    original = late.start

    async def start(on_exit: OnExit) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(math.inf)
        await original(on_exit)

    late.start = start  # type: ignore[method-assign]
    async with crowd.running() as supervisor:
        starting = asyncio.create_task(supervisor.start_child("a"))
        await rest()
        await supervisor.terminate_child("a")
        with pytest.raises(ConflictError, match="'a' was stopped before it ran"):
            await starting
        assert crowd.log == ["start a", "stop a"]


@on_virtual_time
async def test_a_child_cannot_stop_its_supervisor_from_its_own_start() -> None:
    crowd = Crowd()
    late = crowd.prepare("a")

    async def start(on_exit: object) -> None:
        del on_exit
        await crowd.supervisor.stop(1.0)

    late.start = start  # type: ignore[method-assign]
    async with crowd.running() as supervisor:
        with pytest.raises(ConflictError, match="cannot be stopped by a child"):
            await supervisor.start_child("a")


@on_virtual_time
async def test_a_stop_that_is_cancelled_hurries_and_leaves_nothing() -> None:
    crowd = Crowd(looked_after(shutdown_seconds=3600.0))
    async with crowd.running("abc") as supervisor:
        for worker in crowd.made.values():
            worker.stop_takes = math.inf
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await supervisor.stop(3600.0)
        assert supervisor.count_children().workers == 0
