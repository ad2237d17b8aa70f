"""Beyond OTP's restart types: a decider says what becomes of a child that raised."""

from __future__ import annotations

import pytest

from actors.errors import SpecError
from actors.spec import AutoShutdown, Decider, Directive, Restart, Strategy, Supervision
from runtime.core.supervision_errors import AutomaticShutdownError, EscalatedError
from runtime.errors import NotFoundError
from runtime.supervision.supervisor import ChildSpec
from tests.unit.supervisor_suite.scene import AT_ONCE, BOOM, Scene, Worker, looked_after, nested
from tests.unit.supervisor_suite.virtual_time import on_virtual_time, rest

DECIDER = Decider(
    (
        (FileNotFoundError, Directive.STOP),
        (OSError, Directive.ESCALATE),
        (LookupError, Directive.RESUME),
    )
)


def decided(restart: Restart = Restart.PERMANENT, *, significant: bool = False) -> Supervision:
    return Supervision(restart=restart, decider=DECIDER, backoff=AT_ONCE, significant=significant)


def test_the_first_rule_that_fits_decides_and_the_rest_is_restarted() -> None:
    assert DECIDER.decide(FileNotFoundError()) is Directive.STOP
    assert DECIDER.decide(PermissionError()) is Directive.ESCALATE
    assert DECIDER.decide(KeyError()) is Directive.RESUME
    assert DECIDER.decide(ValueError()) is Directive.RESTART


def test_a_rule_that_is_never_reached_is_refused() -> None:
    with pytest.raises(SpecError, match="rules: FileNotFoundError is never reached after OSError; put it before"):
        Decider(((OSError, Directive.STOP), (FileNotFoundError, Directive.RESTART)))


@pytest.mark.parametrize("strategy", Strategy)
@on_virtual_time
async def test_stop_ends_the_child_for_good_whatever_its_restart_type_and_spares_its_siblings(
    strategy: Strategy,
) -> None:
    scene = Scene({"a": looked_after(), "b": decided(), "c": looked_after()}, strategy=strategy, max_restarts=0)
    async with scene.running() as supervisor:
        await scene.exit("b", FileNotFoundError("gone"))
        assert scene.alive() == "ac"
        assert scene.listed() == "abc"
        await supervisor.restart_child("b")
        assert scene.alive() == "abc"


@on_virtual_time
async def test_a_child_that_is_stopped_so_has_ended_for_the_automatic_shutdown() -> None:
    scene = Scene({"a": decided(Restart.TRANSIENT, significant=True)}, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with scene.running():
        await scene.exit("a", FileNotFoundError("gone"))
        assert [type(end) for end in scene.ends] == [AutomaticShutdownError]


@pytest.mark.parametrize("restart", Restart)
@on_virtual_time
async def test_escalate_fails_the_supervisor_at_once_with_the_childs_failure(restart: Restart) -> None:
    scene = Scene({"a": looked_after(), "b": decided(restart), "c": looked_after()}, max_restarts=100)
    async with scene.running():
        failure = PermissionError("no")
        await scene.exit("b", failure)
        [reason] = scene.ends
        assert isinstance(reason, EscalatedError)
        assert reason.__cause__ is failure
        assert str(reason) == "supervisor 'root' passes on the failure of 'b': PermissionError: no"
        assert scene.seen() == ["stop c", "stop a"]


@on_virtual_time
async def test_the_supervisor_above_decides_on_what_was_escalated() -> None:
    worker = Worker("w", [])
    inner = nested("inner", [ChildSpec(worker, decided())])
    stops = Supervision(decider=Decider(((EscalatedError, Directive.STOP),)), backoff=AT_ONCE)
    scene = Scene("a", others=[ChildSpec(inner, stops)])
    async with scene.running() as supervisor:
        worker.exit(OSError("disk"))
        await rest()
        assert scene.ends == []
        assert [child.state for child in supervisor.which_children()] == ["running", "ended"]


@on_virtual_time
async def test_a_restart_that_fails_is_decided_on_as_well() -> None:
    scene = Scene({"a": decided()})
    async with scene.running():
        scene.workers["a"].start_errors = [FileNotFoundError("gone")]
        await scene.exit("a", BOOM)
        assert scene.seen() == ["start a"]
        assert (scene.alive(), scene.ends) == ("", [])


@on_virtual_time
async def test_a_normal_end_is_nothing_to_decide() -> None:
    everything = Supervision(decider=Decider(otherwise=Directive.ESCALATE), restart=Restart.TRANSIENT)
    scene = Scene({"a": everything})
    async with scene.running():
        await scene.exit("a", None)
        assert scene.ends == []


@on_virtual_time
async def test_what_has_ended_cannot_resume_and_is_restarted_and_counted() -> None:
    scene = Scene({"a": decided()}, max_restarts=1)
    async with scene.running():
        await scene.exit("a", KeyError("k"))
        assert scene.alive() == "a"
        await scene.exit("a", KeyError("k"))
        assert len(scene.ends) == 1


@on_virtual_time
async def test_a_child_that_goes_on_is_recorded_and_not_counted() -> None:
    scene = Scene({"a": decided()}, max_restarts=0)
    async with scene.running() as supervisor:
        for _ in range(3):
            supervisor.resumed("a", KeyError("k"))
        [child] = supervisor.which_children()
        assert [ended.reason for ended in child.exits] == ["resumed after KeyError: 'k'"] * 3
        assert (child.restarts, scene.ends) == (0, [])
        with pytest.raises(NotFoundError):
            supervisor.resumed("x", BOOM)
