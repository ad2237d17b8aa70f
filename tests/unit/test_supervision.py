"""The supervisor's machine after OTP's supervisor_SUITE: start, stop, records."""

from __future__ import annotations

import math
from random import Random

import pytest

from actors.errors import SpecError
from actors.spec import Intensity, Restart, Strategy
from runtime.core.supervision import SupervisorMachine
from runtime.core.supervision_child import EXITS_KEPT
from runtime.core.supervision_errors import (
    REASON_LIMIT,
    ChildConflictError,
    RestartLimitError,
    describe,
)
from runtime.core.supervision_events import (
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    ChildStopped,
    CutShort,
    StartFailed,
    StartRequested,
    StopChild,
    Stopped,
    StopRequested,
    TerminateRequested,
)
from runtime.core.supervision_state import Phase
from tests.unit.supervision_bench import BOOM, Bench, spec

# Start and stop


def test_children_start_one_after_another_in_order() -> None:
    bench = Bench()
    bench.hangs = {"b"}
    bench.send(StartRequested())
    assert bench.seen() == ["start a", "start b"]
    bench.send(ChildStarted("b", 2))
    assert bench.seen() == ["start c", "started"]
    assert bench.machine.phase is Phase.RUNNING


def test_children_stop_one_after_another_in_reverse_order() -> None:
    bench = Bench().start()
    bench.hangs = {"b"}
    bench.send(StopRequested(math.inf))
    assert bench.seen() == ["stop c", "stop b"]
    bench.send(ChildStopped("b"))
    assert bench.seen() == ["stop a"]
    assert bench.end == Stopped()


def test_a_supervisor_without_children_starts_and_stops() -> None:
    bench = Bench("")
    bench.send(StartRequested())
    assert bench.seen() == ["started"]
    bench.send(StopRequested(math.inf))
    assert bench.end == Stopped()


def test_it_can_be_stopped_before_it_was_started_and_twice() -> None:
    bench = Bench()
    bench.send(StopRequested(0.0))
    bench.send(StopRequested(0.0))
    assert bench.end == Stopped()


def test_it_cannot_be_started_twice() -> None:
    with pytest.raises(ChildConflictError, match="'root' is running"):
        Bench().start().send(StartRequested())


def test_two_children_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError, match="two children of 'root' are named 'a'"):
        SupervisorMachine(
            "root",
            [("a", spec()), ("a", spec())],
            strategy=Strategy.ONE_FOR_ONE,
            intensity=Intensity(),
            random=Random(1),
        )


@pytest.mark.parametrize("restart", Restart)
def test_a_child_that_cannot_start_fails_the_start_after_the_others_have_stopped(restart: Restart) -> None:
    bench = Bench({"a": spec(), "b": spec(), "c": spec(restart), "d": spec()})
    bench.fails = {"c": BOOM}
    bench.send(StartRequested())
    assert bench.seen() == ["start a", "start b", "start c", "stop b", "stop a"]
    assert bench.end == StartFailed(BOOM)


def test_every_child_stays_listed_after_a_failed_start() -> None:
    bench = Bench({"a": spec(Restart.TEMPORARY), "b": spec(), "c": spec(Restart.TEMPORARY)})
    bench.fails = {"b": BOOM}
    bench.send(StartRequested())
    assert list(bench.machine.children) == ["a", "b", "c"]


def test_a_start_can_be_tried_again_after_it_failed() -> None:
    bench = Bench()
    bench.fails = {"b": BOOM}
    bench.send(StartRequested())
    bench.fails = {}
    bench.send(StartRequested())
    assert bench.running() == "abc"
    assert [ended.reason for ended in bench.machine.children["b"].exits] == ["could not start: ValueError: boom"]


def test_a_stop_during_the_start_cuts_the_start_short() -> None:
    bench = Bench()
    bench.hangs = {"b"}
    bench.send(StartRequested())
    bench.seen()
    bench.send(StopRequested(math.inf))
    assert bench.seen() == ["cut b"]
    bench.send(ChildStartFailed("b", 2, None))
    assert bench.seen() == ["stop a"]
    assert bench.end == Stopped()


def test_a_start_that_succeeds_although_it_was_cut_is_stopped() -> None:
    bench = Bench()
    bench.hangs = {"b"}
    bench.send(StartRequested())
    bench.send(StopRequested(math.inf))
    bench.hangs = set()
    bench.seen()
    bench.send(ChildStarted("b", 2))
    assert bench.seen() == ["stop b", "stop a"]


def test_a_child_that_exits_before_its_start_is_answered_is_restarted() -> None:
    bench = Bench("a")
    bench.hangs = {"a"}
    bench.send(StartRequested())
    bench.send(ChildExited("a", 1, BOOM))
    bench.hangs = set()
    bench.send(ChildStarted("a", 1))
    assert bench.timers
    bench.wait()
    assert bench.running() == "a"


def test_of_two_exits_reported_before_a_start_is_answered_the_first_counts() -> None:
    bench = Bench("a")
    bench.hangs = {"a"}
    bench.send(StartRequested())
    bench.exit("a")
    bench.exit("a", KeyError("second"))
    bench.send(ChildStarted("a", 1))
    assert [ended.reason for ended in bench.machine.children["a"].exits] == ["ValueError: boom"]


def test_a_child_that_exits_while_a_sibling_starts_is_restarted_and_the_start_succeeds() -> None:
    bench = Bench("ab", strategy=Strategy.ONE_FOR_ALL)
    bench.hangs = {"b"}
    bench.send(StartRequested())
    bench.exit("a")
    assert bench.seen() == ["start a", "start b", "cut b"]
    bench.hangs = set()
    bench.send(ChildStartFailed("b", 2, None))
    bench.wait()
    assert bench.seen() == ["start a", "start b", "started"]


def test_too_many_restarts_during_the_start_fail_it() -> None:
    bench = Bench("ab", max_restarts=0)
    bench.hangs = {"b"}
    bench.send(StartRequested())
    bench.exit("a")
    bench.send(ChildStartFailed("b", 2, None))
    assert isinstance(bench.end, StartFailed)
    assert isinstance(bench.end.reason, RestartLimitError)


# Time to stop


def test_each_child_has_its_own_time_to_stop_within_that_of_the_supervisor() -> None:
    bench = Bench({"a": spec(shutdown_seconds=5.0), "b": spec(shutdown_seconds=2.0)}).start()
    [stop] = bench.machine.handle(StopRequested(bench.now + 4.0), now=bench.now, at=0.0)
    assert stop == StopChild("b", 2.0)
    [stop] = bench.machine.handle(ChildStopped("b"), now=bench.now + 1.5, at=0.0)
    assert stop == StopChild("a", 2.5)


def test_children_left_after_the_deadline_get_no_time() -> None:
    bench = Bench("ab").start()
    bench.machine.handle(StopRequested(bench.now + 1.0), now=bench.now, at=0.0)
    assert bench.machine.handle(ChildStopped("b"), now=bench.now + 3.0, at=0.0) == [StopChild("a", 0.0)]


def test_a_second_request_to_stop_can_shorten_the_time_but_not_lengthen_it() -> None:
    bench = Bench("a").start()
    bench.machine.handle(StopRequested(bench.now + 4.0), now=bench.now, at=0.0)
    assert bench.machine.handle(StopRequested(bench.now + 9.0), now=bench.now, at=0.0) == []
    assert bench.machine.handle(StopRequested(bench.now + 1.0), now=bench.now, at=0.0) == [CutShort("a", 1.0)]


# Records


def test_the_last_exits_of_a_child_are_kept_with_time_and_reason() -> None:
    bench = Bench("a", max_restarts=99).start()
    for number in range(EXITS_KEPT + 5):
        bench.exit("a", ValueError(number))
        bench.wait()
    exits = bench.machine.children["a"].exits
    assert [ended.reason for ended in exits] == [f"ValueError: {number}" for number in range(5, EXITS_KEPT + 5)]
    assert [ended.at for ended in exits] == sorted(ended.at for ended in exits)
    assert exits[0].at > 1e9


def test_trouble_while_stopping_is_recorded() -> None:
    bench = Bench("a").start()
    bench.hangs = {"a"}
    bench.send(TerminateRequested("a", 1))
    bench.send(ChildStopped("a", OSError("dirty")))
    assert bench.machine.children["a"].exits[-1].reason == "while stopping: OSError: dirty"


def test_a_reason_is_one_line_of_bounded_length_whatever_the_exception() -> None:
    class BadError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(BadError()) == "BadError"
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError("two\nlines")) == "ValueError: two lines"
    assert len(describe(ValueError("x" * 10_000))) == len("ValueError: ") + REASON_LIMIT
