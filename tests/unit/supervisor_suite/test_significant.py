"""After OTP's supervisor_SUITE: significant children and automatic shutdown."""

from __future__ import annotations

import asyncio

import pytest

from actors.errors import SpecError
from actors.spec import AutoShutdown, Backoff, Restart, Strategy, Supervision
from runtime.core.supervision_errors import AutomaticShutdownError
from runtime.supervision.supervisor import ChildSpec
from tests.unit.supervisor_suite.scene import BOOM, SHUTDOWN, Scene, Worker, looked_after, nested
from tests.unit.supervisor_suite.virtual_time import on_virtual_time, rest

TRANSIENT = looked_after(Restart.TRANSIENT, significant=True)
TEMPORARY = looked_after(Restart.TEMPORARY, significant=True)
ANY, ALL = AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT


def shut_down(scene: Scene) -> bool:
    return [type(end) for end in scene.ends] == [AutomaticShutdownError]


@pytest.mark.parametrize("auto_shutdown", [ANY, ALL])
@pytest.mark.parametrize(
    ("supervision", "reason", "ends"),
    [
        (TRANSIENT, None, True),
        (TRANSIENT, SHUTDOWN, True),
        (TRANSIENT, BOOM, False),
        (TEMPORARY, None, True),
        (TEMPORARY, SHUTDOWN, True),
        (TEMPORARY, BOOM, True),
    ],
)
@on_virtual_time
async def test_the_end_of_the_only_significant_child_ends_the_supervisor(
    auto_shutdown: AutoShutdown, supervision: Supervision, reason: BaseException | None, *, ends: bool
) -> None:
    """The supervisor shuts down "when a transient significant child terminates normally or when a temporary
    significant child terminates normally or abnormally".

    supervisor: Automatic Shutdown; supervisor_SUITE: significant_transient, significant_temporary.
    """
    scene = Scene({"a": looked_after(), "b": supervision, "c": looked_after()}, auto_shutdown=auto_shutdown)
    async with scene.running():
        await scene.exit("b", reason)
        assert shut_down(scene) is ends
        assert scene.seen() == (["stop c", "stop a"] if ends else ["start b"])


@on_virtual_time
async def test_any_significant_child_is_enough_or_it_takes_the_last_one() -> None:
    """`any_significant`: when any terminates; `all_significant`: "when the last active significant child terminates".

    supervisor: Automatic Shutdown.
    """
    for auto_shutdown, needed in ((ANY, 1), (ALL, 3)):
        scene = Scene({"a": TRANSIENT, "b": TEMPORARY, "c": TRANSIENT}, auto_shutdown=auto_shutdown)
        async with scene.running():
            for number, name in enumerate("abc"[:needed], 1):
                assert not scene.ends
                await scene.exit(name, None)
                assert shut_down(scene) is (number == needed)


@on_virtual_time
async def test_a_child_that_is_not_significant_ends_alone() -> None:
    """Only significant children count.

    supervisor: Automatic Shutdown; Child specification, `significant`.
    """
    scene = Scene({"a": TRANSIENT, "b": looked_after(Restart.TEMPORARY)}, auto_shutdown=ANY)
    async with scene.running():
        await scene.exit("b", None)
        assert scene.ends == []


@pytest.mark.parametrize("auto_shutdown", [ANY, ALL])
@on_virtual_time
async def test_a_significant_child_that_is_terminated_by_request_ends_nothing(auto_shutdown: AutoShutdown) -> None:
    """A child that its supervisor terminates did not "terminate by itself".

    Supervisor Behaviour: Automatic Shutdown.
    """
    scene = Scene({"a": TRANSIENT, "b": TEMPORARY}, auto_shutdown=auto_shutdown)
    async with scene.running() as supervisor:
        await supervisor.terminate_child("a")
        await supervisor.terminate_child("b")
        await rest()
        assert scene.ends == []
        await supervisor.restart_child("a")
        await scene.exit("a", None)
        assert shut_down(scene)


@on_virtual_time
async def test_a_significant_child_that_is_being_terminated_is_not_active_any_more() -> None:
    """The supervisor hears of the other's end when the termination is over; then nobody is left.

    supervisor: `terminate_child/2`; Automatic Shutdown.
    """
    scene = Scene({"a": TRANSIENT, "b": TRANSIENT}, auto_shutdown=ALL)
    async with scene.running() as supervisor:
        scene.workers["a"].stop_takes = 1.0
        terminating = asyncio.create_task(supervisor.terminate_child("a"))
        await rest()
        await scene.exit("b", None)
        await terminating
        await rest()
        assert shut_down(scene)


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
@pytest.mark.parametrize("auto_shutdown", [ANY, ALL])
@on_virtual_time
async def test_a_significant_bystander_ends_nothing(auto_shutdown: AutoShutdown, strategy: Strategy) -> None:
    """A significant child that is terminated because of a sibling's death does not shut the supervisor down.

    Supervisor Behaviour: Automatic Shutdown; supervisor_SUITE: significant_bystander.
    """
    scene = Scene({"a": looked_after(), "b": TEMPORARY}, strategy=strategy, auto_shutdown=auto_shutdown)
    async with scene.running():
        await scene.exit("a")
        assert (scene.ends, scene.listed()) == ([], "a")


@pytest.mark.parametrize(("pause", "start_takes"), [(0.0, 60.0), (60.0, 0.0)])
@on_virtual_time
async def test_a_significant_child_that_is_about_to_restart_counts_as_active(pause: float, start_takes: float) -> None:
    """The last *active* significant child: one that starts again, or waits to, is not gone.

    supervisor: Automatic Shutdown.
    """
    patient = Supervision(
        restart=Restart.TRANSIENT,
        significant=True,
        backoff=Backoff(initial_seconds=pause, max_seconds=60.0, jitter=0.0),
    )
    scene = Scene({"a": patient, "b": TRANSIENT}, auto_shutdown=ALL)
    async with scene.running():
        scene.workers["a"].start_takes = start_takes
        await scene.exit("a")
        await scene.exit("b", None)
        assert scene.ends == []
        await asyncio.sleep(61.0)
        assert scene.alive() == "a"


@on_virtual_time
async def test_a_shutdown_is_normal_for_the_supervisor_above_and_passes_on_where_it_is_significant() -> None:
    """The supervisor terminates "with exit reason shutdown", so shutdowns go up through significant supervisors.

    supervisor: Automatic Shutdown; supervisor_SUITE: significant_escalation.
    """
    worker = Worker("w", [])
    inner = nested("inner", [ChildSpec(worker, TRANSIENT)], auto_shutdown=ANY)
    scene = Scene("a", others=[ChildSpec(inner, TRANSIENT)], auto_shutdown=ANY)
    async with scene.running():
        worker.exit(None)
        await rest()
        assert shut_down(scene)
        assert scene.alive() == ""


@on_virtual_time
async def test_a_permanent_supervisor_that_shut_down_is_restarted() -> None:
    """A permanent child is always restarted, whatever its reason.

    supervisor: Child specification, `restart`.
    """
    worker = Worker("w", [])
    inner = nested("inner", [ChildSpec(worker, TRANSIENT)], auto_shutdown=ANY)
    scene = Scene("", others=[ChildSpec(inner, looked_after())])
    async with scene.running():
        worker.exit(None)
        await rest()
        assert worker.alive


@on_virtual_time
async def test_an_end_during_the_start_shuts_down_when_all_have_started() -> None:
    """A supervisor hears of an exit when it has started its children.

    supervisor: `start_link/3`.
    """
    scene = Scene({"a": TRANSIENT, "b": looked_after()}, auto_shutdown=ANY)
    scene.workers["b"].start_takes = 1.0
    original = scene.workers["b"].start

    async def start(on_exit: object) -> None:
        scene.workers["a"].exit(None)
        await original(on_exit)  # type: ignore[arg-type] # whatever it is, it is passed on

    scene.workers["b"].start = start  # type: ignore[method-assign]
    await scene.supervisor.start(scene.ends.append)
    await rest()
    assert shut_down(scene)
    assert scene.seen() == ["start a", "start b", "stop b"]


@on_virtual_time
async def test_contradictions_are_refused() -> None:
    """`significant` is invalid with `permanent`, and with an `auto_shutdown` of `never`.

    supervisor: Child specification, `significant`; Automatic Shutdown, `never`.
    """
    with pytest.raises(SpecError, match="significant: a permanent child never ends for good"):
        looked_after(Restart.PERMANENT, significant=True)
    with pytest.raises(SpecError, match="root/a: significant, but supervisor 'root' never shuts down by itself"):
        Scene({"a": TRANSIENT})
    scene = Scene("a")
    async with scene.running():
        with pytest.raises(SpecError, match="root/b: significant"):
            await scene.add("b", TRANSIENT)
        assert scene.listed() == "a"
