"""The supervisor's machine after OTP's supervisor_SUITE: children added, terminated, restarted, deleted."""

from __future__ import annotations

import math

import pytest

from actors.spec import Backoff, Restart, Strategy, Supervision
from runtime.core.supervision_errors import (
    ChildConflictError,
    NoSuchChildError,
)
from runtime.core.supervision_events import (
    AddRequested,
    ChildStartFailed,
    ChildStopped,
    DeleteRequested,
    Event,
    RestartRequested,
    StopRequested,
    TerminateRequested,
)
from tests.unit.supervision_bench import BOOM, Bench, spec


def test_an_added_child_is_started_last_and_belongs_to_the_next_life_too() -> None:
    bench = Bench("a").start()
    bench.send(AddRequested("b", spec(), 1))
    assert bench.answers == {1: None}
    bench.send(StopRequested(math.inf))
    assert bench.seen() == ["start b", "stop b", "stop a"]
    bench.start()
    assert bench.running() == "ab"


def test_an_added_child_that_cannot_start_was_never_added() -> None:
    bench = Bench("a").start()
    bench.fails = {"b": BOOM}
    bench.send(AddRequested("b", spec(), 1))
    assert bench.answers == {1: BOOM}
    assert bench.seen() == ["start b", "forget b"]
    assert "b" not in bench.machine.children
    assert not bench.timers


def test_a_name_that_is_taken_is_refused() -> None:
    bench = Bench("a").start()
    with pytest.raises(ChildConflictError, match="already has a child 'a'"):
        bench.send(AddRequested("a", spec(), 1))


def test_a_terminated_child_stays_down_whatever_happens_to_its_siblings() -> None:
    bench = Bench("abc", strategy=Strategy.ONE_FOR_ALL).start()
    bench.send(TerminateRequested("b", 1))
    assert bench.answers == {1: None}
    bench.exit("a")
    bench.wait()
    assert bench.running() == "ac"
    bench.send(RestartRequested("b", 2))
    assert bench.running() == "abc"
    assert bench.answers == {1: None, 2: None}
    assert bench.machine.children["b"].restarts == 0


def test_terminating_a_child_that_waits_ends_its_wait_and_not_that_of_its_siblings() -> None:
    bench = Bench("ab", strategy=Strategy.REST_FOR_ONE).start()
    bench.exit("a")
    bench.send(TerminateRequested("a", 1))
    bench.wait()
    assert bench.running() == "b"


def test_terminating_the_only_child_that_waits_cancels_the_restart() -> None:
    bench = Bench("a").start()
    bench.exit("a")
    bench.send(TerminateRequested("a", 1))
    assert bench.timers == {}
    assert bench.answers == {1: None}


def test_terminating_a_child_whose_start_hangs_cuts_it_short() -> None:
    bench = Bench("a").start()
    bench.hangs = {"b"}
    bench.send(AddRequested("b", spec(), 1))
    bench.send(TerminateRequested("b", 2))
    assert bench.seen() == ["start b", "cut b"]
    bench.send(ChildStartFailed("b", 2, None))
    assert str(bench.answers.pop(1)) == "'b' was terminated before it ran"
    assert bench.answers == {2: None}
    assert "b" not in bench.machine.children


def test_everybody_who_asked_to_terminate_a_child_is_told() -> None:
    bench = Bench("a").start()
    bench.hangs = {"a"}
    bench.send(TerminateRequested("a", 1))
    bench.send(TerminateRequested("a", 2))
    bench.send(ChildStopped("a"))
    bench.send(TerminateRequested("a", 3))
    assert bench.answers == {1: None, 2: None, 3: None}


def test_a_stop_answers_those_who_wait_for_a_child_to_run() -> None:
    bench = Bench("a").start()
    bench.hangs = {"b"}
    bench.send(AddRequested("b", spec(), 1))
    bench.send(StopRequested(math.inf))
    assert str(bench.answers[1]) == "supervisor 'root' stopped before 'b' ran"


def test_a_restart_by_request_that_fails_leaves_the_child_down() -> None:
    bench = Bench("a").start()
    bench.send(TerminateRequested("a", 1))
    bench.fails = {"a": BOOM}
    bench.send(RestartRequested("a", 2))
    assert bench.answers[2] is BOOM
    assert not bench.timers
    assert bench.running() == ""


def test_only_a_child_that_is_down_can_be_restarted_or_deleted() -> None:
    bench = Bench("ab").start()
    bench.exit("b")
    for name, problem in (("a", "is running"), ("b", "is about to be started")):
        with pytest.raises(ChildConflictError, match=problem):
            bench.send(RestartRequested(name, 1))
        with pytest.raises(ChildConflictError, match=problem):
            bench.send(DeleteRequested(name))


def test_a_deleted_child_does_not_come_back() -> None:
    bench = Bench("ab").start()
    bench.send(TerminateRequested("a", 1))
    bench.send(DeleteRequested("a"))
    assert bench.seen() == ["stop a", "forget a"]
    bench.send(StopRequested(math.inf))
    bench.start()
    assert bench.running() == "b"


def test_a_temporary_child_that_was_added_is_forgotten_when_it_ends_and_an_initial_one_is_not() -> None:
    bench = Bench({"a": spec(Restart.TEMPORARY)}).start()
    bench.send(AddRequested("b", spec(Restart.TEMPORARY), 1))
    bench.exit("a")
    bench.exit("b")
    assert bench.seen() == ["start b", "forget b"]
    bench.send(StopRequested(math.inf))
    bench.start()
    assert bench.running() == "a"


def test_a_child_added_under_the_name_of_a_temporary_one_that_ended_takes_its_place() -> None:
    bench = Bench({"a": spec(Restart.TEMPORARY)}).start()
    bench.exit("a")
    bench.send(AddRequested("a", spec(), 1))
    bench.send(StopRequested(math.inf))
    bench.start()
    assert bench.machine.children["a"].supervision.restart is Restart.PERMANENT


def test_siblings_that_wait_for_a_child_still_come_back_when_it_was_replaced() -> None:
    slow = Supervision(backoff=Backoff(initial_seconds=9.0, max_seconds=9.0, jitter=0.0))
    bench = Bench({"a": slow, "b": spec()}, strategy=Strategy.REST_FOR_ONE).start()
    bench.exit("a")
    bench.send(TerminateRequested("a", 1))
    bench.send(DeleteRequested("a"))
    bench.send(AddRequested("a", spec(), 2))
    bench.exit("a")
    assert bench.timers == {"a": bench.now + 9.0}
    bench.wait()
    assert bench.running() == "ba"


def test_requests_are_refused_unless_the_supervisor_runs() -> None:
    bench = Bench("a")
    requests: list[Event] = [
        AddRequested("b", spec(), 1),
        TerminateRequested("a", 1),
        RestartRequested("a", 1),
        DeleteRequested("a"),
    ]
    for request in requests:
        with pytest.raises(ChildConflictError, match="'root' is new; wait until it runs"):
            bench.send(request)


def test_requests_about_an_unknown_child_are_refused() -> None:
    bench = Bench("a").start()
    requests: list[Event] = [TerminateRequested("x", 1), RestartRequested("x", 1), DeleteRequested("x")]
    for request in requests:
        with pytest.raises(NoSuchChildError, match="'root' has no child 'x'"):
            bench.send(request)


def test_a_child_added_during_a_delay_is_restarted_with_those_it_shares_its_fate_with() -> None:
    bench = Bench("a", strategy=Strategy.ONE_FOR_ALL).start()
    bench.exit("a")
    bench.send(AddRequested("b", spec(), 1))
    bench.send(AddRequested("c", spec(Restart.TEMPORARY), 2))
    bench.seen()
    bench.wait()
    assert bench.seen() == ["stop c", "forget c", "stop b", "start a", "start b"]
