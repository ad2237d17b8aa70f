"""After OTP's supervisor_SUITE: ordered start and stop, failures in hooks, hanging starts and stops."""

from __future__ import annotations

import asyncio
import math

import pytest

from actors.errors import StartIgnoredError
from actors.spec import Restart, Strategy, Supervision
from runtime.core.supervision_errors import RestartLimitError, StartTimeoutError
from runtime.errors import ConflictError
from runtime.supervision.supervisor import ChildSpec
from tests.unit.supervisor_suite.scene import AT_ONCE, BOOM, Scene, Worker, looked_after, nested
from tests.unit.supervisor_suite.virtual_time import on_virtual_time, rest


@on_virtual_time
async def test_children_start_in_order_and_stop_in_reverse() -> None:
    """Children "are started in order from left to right according to this list" and terminated "in reversed start
    order".

    supervisor: Supervision Principles.
    """
    scene = Scene("abc")
    scene.workers["a"].start_takes = scene.workers["c"].stop_takes = 1.0
    await scene.supervisor.start(scene.ends.append)
    await scene.supervisor.stop(60.0)
    assert scene.seen() == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


@pytest.mark.parametrize("restart", Restart)
@on_virtual_time
async def test_a_child_that_cannot_start_fails_the_supervisors_start(restart: Restart) -> None:
    """If a start function fails, "the supervisor first terminates all already started child processes ... and then
    itself".

    supervisor: `start_link/3`.
    """
    scene = Scene({"a": looked_after(), "b": looked_after(), "c": looked_after(restart)})
    scene.workers["c"].start_errors = [BOOM]
    with pytest.raises(ValueError, match="boom"):
        await scene.supervisor.start(scene.ends.append)
    assert scene.seen() == ["start a", "start b", "start c", "stop b", "stop a"]
    assert scene.ends == []


@pytest.mark.parametrize(("restart", "listed"), [(Restart.PERMANENT, "abc"), (Restart.TEMPORARY, "ac")])
@on_virtual_time
async def test_a_start_that_is_ignored_is_no_failure(restart: Restart, listed: str) -> None:
    """With `ignore` "the child specification is kept by the supervisor (unless it is a temporary child) but the
    non-existing child process is ignored".

    supervisor: Child specification, `start`; supervisor_SUITE: start with ignore.
    """
    scene = Scene({"a": looked_after(), "c": looked_after()})
    async with scene.running() as supervisor:
        late = Worker("b", scene.log)
        late.start_errors = [StartIgnoredError("not today")]
        await supervisor.add_child(ChildSpec(late, looked_after(restart)))
        assert not late.alive
        assert sorted(scene.listed()) == list(listed)
        if restart is Restart.PERMANENT:
            await supervisor.restart_child("b")
            assert late.alive


@on_virtual_time
async def test_a_start_that_is_ignored_lets_the_supervisor_start() -> None:
    """As above, while the supervisor starts.

    supervisor: `start_link/3`.
    """
    scene = Scene("abc")
    scene.workers["b"].start_errors = [StartIgnoredError("not today")]
    async with scene.running():
        assert scene.alive() == "ac"
        assert scene.listed() == "abc"


@on_virtual_time
async def test_a_child_is_killed_when_its_shutdown_time_is_over() -> None:
    """If no exit comes "within the specified number of milliseconds, the child process is unconditionally terminated".

    supervisor: Child specification, `shutdown`; supervisor_SUITE: sup_stop_timeout.
    """
    scene = Scene({"a": looked_after(), "b": looked_after(shutdown_seconds=2.0)})
    async with scene.running() as supervisor:
        scene.workers["b"].stop_takes = math.inf
        before = asyncio.get_running_loop().time()
        await supervisor.stop(60.0)
        assert asyncio.get_running_loop().time() - before == pytest.approx(2.0)
        assert scene.seen() == ["stop b", "kill b", "stop a"]


@on_virtual_time
async def test_brutal_kill_gives_no_time_at_all() -> None:
    """`brutal_kill`: the child "is unconditionally terminated".

    supervisor: Child specification, `shutdown`; supervisor_SUITE: sup_stop_brutal_kill.
    """
    scene = Scene({"a": Supervision(brutal_kill=True)})
    async with scene.running() as supervisor:
        scene.workers["a"].stop_takes = 1.0
        await supervisor.stop(60.0)
        assert scene.seen() == ["stop a", "kill a"]
        assert scene.workers["a"].given == [0.0]


@on_virtual_time
async def test_infinity_waits_as_long_as_it_takes() -> None:
    """Of a supervisor "the shutdown time must be set to infinity to give the subtree ample time to shut down"; a
    worker may have it too.

    supervisor: Child specification, `shutdown`; supervisor_SUITE: sup_stop_infinity.
    """
    slow = Worker("w", [])
    slow.stop_takes = 3600.0
    inner = nested("inner", [ChildSpec(slow, looked_after(shutdown_seconds=math.inf))])
    scene = Scene("", others=[ChildSpec(inner, looked_after(shutdown_seconds=math.inf))])
    async with scene.running() as supervisor:
        await supervisor.stop(math.inf)
        assert slow.log[-1:] == ["stop w"]
        assert slow.given == [math.inf]


@on_virtual_time
async def test_a_failure_while_a_child_stops_holds_nobody_up() -> None:
    """A child that ends with another reason than asked for is reported, and the termination goes on.

    supervisor: Child specification, `shutdown`; supervisor_SUITE: shutdown_error reports.
    """
    scene = Scene("abc")
    async with scene.running() as supervisor:
        scene.workers["b"].stop_error = OSError("dirty")
        await supervisor.stop(60.0)
        assert scene.seen() == ["stop c", "stop b", "stop a"]
        assert supervisor.which_children()[1].exits[-1].reason == "while stopping: OSError: dirty"


@pytest.mark.parametrize("strategy", Strategy)
@on_virtual_time
async def test_a_stop_is_heard_while_a_restart_hangs_or_fails_again_and_again(strategy: Strategy) -> None:
    """Between two attempts at a restart, requests to the supervisor are heard.

    supervisor_SUITE: hanging_restart_loop; here also within one attempt.
    """
    scene = Scene("abc", strategy=strategy, max_restarts=1000)
    async with scene.running() as supervisor:
        scene.workers["b"].start_takes = math.inf
        await scene.exit("b")
        await supervisor.stop(60.0)
        assert scene.alive() == ""
        assert scene.ends == []


@on_virtual_time
async def test_a_hanging_start_is_ended_by_its_limit() -> None:
    """OTP waits for ever. Here a start has a limit if it is given one, and has failed when that is over.

    supervisor: Child specification, `start`.
    """
    limited = Supervision(start_seconds=3.0, backoff=AT_ONCE)
    scene = Scene({"a": looked_after(), "b": limited})
    scene.workers["b"].start_takes = math.inf
    with pytest.raises(StartTimeoutError, match="'b' did not start within 3 s"):
        await scene.supervisor.start(scene.ends.append)
    assert scene.seen() == ["start a", "start b", "stop a"]


@on_virtual_time
async def test_restarts_that_hang_reach_the_intensity() -> None:
    """A start over its limit is a failed restart like any other.

    supervisor: Restart intensity and period.
    """
    scene = Scene({"a": Supervision(start_seconds=1.0, backoff=AT_ONCE)}, max_restarts=2)
    async with scene.running() as supervisor:
        scene.workers["a"].start_takes = math.inf
        await scene.exit("a")
        reason = await supervisor.wait_stopped()
        assert isinstance(reason, RestartLimitError)
        assert isinstance(reason.__cause__, StartTimeoutError)
        assert scene.seen() == ["start a"] * 2


@on_virtual_time
async def test_a_start_within_its_limit_is_left_alone_and_its_own_timeouts_are_its_own() -> None:
    """As above."""
    scene = Scene({"a": Supervision(start_seconds=3.0)})
    scene.workers["a"].start_takes = 2.9
    async with scene.running():
        assert scene.alive() == "a"
        late = Worker("b", scene.log)
        late.start_errors = [TimeoutError("a database did not answer")]
        with pytest.raises(TimeoutError, match="a database did not answer"):
            await scene.supervisor.add_child(ChildSpec(late, Supervision(start_seconds=3.0)))


@on_virtual_time
async def test_a_supervisor_that_is_stopped_while_it_starts_leaves_nothing() -> None:
    """Termination of a supervisor terminates the children it has started.

    supervisor: Supervision Principles.
    """
    scene = Scene("abc")
    scene.workers["b"].start_takes = math.inf
    starting = asyncio.create_task(scene.supervisor.start(scene.ends.append))
    await rest()
    await scene.supervisor.stop(60.0)
    with pytest.raises(ConflictError, match="stopped while it started"):
        await starting
    assert scene.seen() == ["start a", "start b", "stop a"]
