"""The supervisor's machine after OTP's supervisor_SUITE: restarts, intensity, escalation, backoff."""

from __future__ import annotations

import math

import pytest

from actors.spec import Backoff, Restart, Strategy, Supervision
from runtime.core.supervision_child import EXITS_KEPT
from runtime.core.supervision_errors import (
    NoSuchChildError,
)
from runtime.core.supervision_events import (
    ChildExited,
    ChildRestartedItself,
    ChildStartFailed,
    ChildStopped,
    Escalate,
    Stopped,
    StopRequested,
)
from tests.unit.supervision_bench import BOOM, Bench, spec

# Restart type x exit reason x strategy


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize(
    ("restart", "reason", "comes_back"),
    [
        (Restart.PERMANENT, None, True),
        (Restart.PERMANENT, BOOM, True),
        (Restart.TRANSIENT, None, False),
        (Restart.TRANSIENT, BOOM, True),
        (Restart.TEMPORARY, None, False),
        (Restart.TEMPORARY, BOOM, False),
    ],
)
def test_restart_type_and_exit_reason_decide_whether_a_child_comes_back(
    strategy: Strategy, restart: Restart, reason: BaseException | None, *, comes_back: bool
) -> None:
    bench = Bench({"a": spec(), "b": spec(restart), "c": spec()}, strategy=strategy).start()
    bench.exit("b", reason)
    if not comes_back:
        assert not bench.timers
        assert bench.seen() == []
        assert bench.running() == "ac"
        return
    stopped = {
        Strategy.ONE_FOR_ONE: [],
        Strategy.REST_FOR_ONE: ["stop c"],
        Strategy.ONE_FOR_ALL: ["stop c", "stop a"],
    }
    started = {
        Strategy.ONE_FOR_ONE: ["start b"],
        Strategy.REST_FOR_ONE: ["start b", "start c"],
        Strategy.ONE_FOR_ALL: ["start a", "start b", "start c"],
    }
    assert bench.seen() == stopped[strategy]
    bench.wait()
    assert bench.seen() == started[strategy]
    assert bench.running() == "abc"


def test_a_temporary_child_leaves_the_list_and_its_exit_is_kept() -> None:
    bench = Bench({"a": spec(Restart.TEMPORARY)}).start()
    bench.exit("a")
    assert "a" not in bench.machine.children
    assert [(name, ended.reason) for name, ended in bench.machine.departed] == [("a", "ValueError: boom")]


def test_a_transient_child_that_ended_normally_stays_listed_and_down() -> None:
    bench = Bench({"a": spec(Restart.TRANSIENT)}).start()
    bench.exit("a", None)
    assert bench.machine.children["a"].state.value == "down"
    assert bench.machine.children["a"].exits[-1].reason == "normal exit"


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_temporary_bystanders_are_stopped_with_their_siblings_and_not_started_again(strategy: Strategy) -> None:
    bench = Bench({"a": spec(), "b": spec(Restart.TEMPORARY)}, strategy=strategy).start()
    bench.exit("a")
    bench.wait()
    assert bench.seen() == ["stop b", "start a"]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_transient_bystanders_are_started_again_with_their_siblings(strategy: Strategy) -> None:
    bench = Bench({"a": spec(), "b": spec(Restart.TRANSIENT)}, strategy=strategy).start()
    bench.exit("a")
    bench.wait()
    assert bench.seen() == ["stop b", "start a", "start b"]
    assert bench.machine.children["b"].last_reason == "restarted with 'a' after ValueError: boom"


def test_children_before_the_failed_one_are_spared_by_rest_for_one() -> None:
    bench = Bench("abcd", strategy=Strategy.REST_FOR_ONE).start()
    bench.exit("c")
    bench.wait()
    assert bench.seen() == ["stop d", "start c", "start d"]


# Restarts that fail, overlap or are overtaken


@pytest.mark.parametrize("strategy", Strategy)
def test_a_failed_restart_is_charged_again_and_tried_again(strategy: Strategy) -> None:
    bench = Bench("a", strategy=strategy, max_restarts=3).start()
    bench.fails = {"a": BOOM}
    bench.exit("a")
    assert [bench.wait(), bench.wait()] == [1.0, 2.0]
    bench.fails = {}
    assert bench.wait() == 4.0
    assert bench.running() == "a"
    assert len(bench.machine.children["a"].exits) == 3


@pytest.mark.parametrize("strategy", Strategy)
def test_a_restart_that_keeps_failing_exhausts_the_intensity(strategy: Strategy) -> None:
    bench = Bench({"a": Supervision(backoff=Backoff(initial_seconds=0.0))}, strategy=strategy).start()
    bench.fails = {"a": BOOM}
    bench.exit("a")
    for _ in range(3):
        bench.wait()
    assert isinstance(bench.end, Escalate)
    assert bench.end.reason.__cause__ is BOOM


def test_a_sibling_that_fails_its_restart_makes_all_start_over() -> None:
    bench = Bench("abc", strategy=Strategy.ONE_FOR_ALL).start()
    bench.exit("a")
    bench.fails = {"b": BOOM}
    bench.seen()
    bench.wait()
    assert bench.seen() == ["start a", "start b", "stop a"]
    bench.fails = {}
    bench.wait()
    assert bench.seen() == ["start a", "start b", "start c"]


def test_a_sibling_that_fails_its_restart_spares_those_before_it_under_rest_for_one() -> None:
    bench = Bench("abc", strategy=Strategy.REST_FOR_ONE).start()
    bench.exit("a")
    bench.fails = {"b": BOOM}
    bench.seen()
    bench.wait()
    assert bench.seen() == ["start a", "start b"]
    bench.fails = {}
    bench.wait()
    assert bench.seen() == ["start b", "start c"]


def test_an_earlier_child_that_fails_absorbs_a_later_ones_longer_delay() -> None:
    bench = Bench("ab", strategy=Strategy.REST_FOR_ONE, max_restarts=9).start()
    bench.exit("b")
    bench.wait()
    bench.exit("b")
    assert bench.timers["b"] - bench.now == 2.0
    bench.exit("a")
    assert bench.timers == {"a": bench.now + 2.0}
    bench.seen()
    bench.wait()
    assert bench.seen() == ["start a", "start b"]


def test_two_children_under_one_for_one_wait_for_their_restarts_independently() -> None:
    bench = Bench("ab").start()
    bench.exit("a")
    bench.now += 0.5
    bench.exit("b")
    assert (bench.wait(), bench.running()) == (0.5, "a")
    assert (bench.wait(), bench.running()) == (0.5, "ab")


def test_a_child_that_exits_while_it_is_being_stopped_is_recorded_and_not_counted() -> None:
    bench = Bench("ab", strategy=Strategy.ONE_FOR_ALL, max_restarts=1).start()
    bench.hangs = {"b"}
    bench.exit("a")
    bench.exit("b", KeyError("late"))
    bench.send(ChildStopped("b"))
    bench.hangs = set()
    bench.wait()
    assert bench.running() == "ab"
    assert bench.machine.children["b"].exits[-1].reason == "KeyError: 'late'"


def test_a_late_report_of_an_earlier_life_is_ignored() -> None:
    bench = Bench("a").start()
    bench.exit("a")
    bench.wait()
    bench.send(ChildExited("a", 1, BOOM))
    bench.send(ChildExited("gone", 1, BOOM))
    assert bench.running() == "a"
    assert not bench.timers


def test_a_stop_during_the_delay_cancels_the_restart() -> None:
    bench = Bench("ab").start()
    bench.exit("a")
    bench.send(StopRequested(math.inf))
    assert bench.timers == {}
    assert bench.seen() == ["stop b"]
    assert bench.end == Stopped()


def test_a_stop_while_a_restart_hangs_is_heard() -> None:
    bench = Bench("a").start()
    bench.exit("a")
    bench.hangs = {"a"}
    bench.wait()
    bench.send(StopRequested(math.inf))
    assert bench.seen() == ["start a", "cut a"]
    bench.send(ChildStartFailed("a", 2, None))
    assert bench.end == Stopped()


# Intensity and escalation


@pytest.mark.parametrize("strategy", Strategy)
def test_exactly_the_intensity_is_survived_and_one_more_escalates(strategy: Strategy) -> None:
    bench = Bench({name: Supervision(backoff=Backoff(initial_seconds=0.0)) for name in "ab"}, strategy=strategy)
    bench.start()
    for _ in range(3):
        bench.exit("a")
        bench.wait()
    assert bench.running() == "ab"
    bench.seen()
    bench.exit("a")
    assert bench.seen() == ["stop b"]
    assert isinstance(bench.end, Escalate)
    assert str(bench.end.reason) == (
        "supervisor 'root' gave up: more than 3 restarts in 5 s, the last of 'a' after ValueError: boom"
    )


def test_the_intensity_is_counted_over_all_children_together() -> None:
    bench = Bench("abc", max_restarts=2).start()
    bench.exit("a")
    bench.exit("b")
    bench.exit("c")
    assert isinstance(bench.end, Escalate)
    assert bench.timers == {}


def test_one_for_all_counts_one_restart_however_many_children_it_concerns() -> None:
    bench = Bench("abcd", strategy=Strategy.ONE_FOR_ALL, max_restarts=1).start()
    bench.exit("d")
    bench.wait()
    assert bench.running() == "abcd"


def test_restarts_further_apart_than_the_period_never_escalate() -> None:
    bench = Bench("a", max_restarts=1).start()
    for _ in range(20):
        bench.now += 5.1
        bench.exit("a")
        bench.wait()
    assert bench.running() == "a"


def test_a_new_life_of_the_supervisor_starts_with_a_clean_intensity_and_keeps_the_history() -> None:
    bench = Bench("a", max_restarts=0).start()
    bench.exit("a")
    assert isinstance(bench.end, Escalate)
    bench.start()
    assert bench.running() == "a"
    assert [ended.reason for ended in bench.machine.children["a"].exits] == ["ValueError: boom"]


# Backoff


def test_the_delay_grows_with_each_failure_and_starts_afresh_after_a_quiet_life() -> None:
    bench = Bench("a", max_restarts=9).start()
    delays = []
    for quiet in (0.0, 5.0, 5.1, 0.0):
        bench.now += quiet
        bench.exit("a")
        delays.append(bench.wait())
    assert delays == [1.0, 2.0, 1.0, 2.0]


# Explained exits


@pytest.mark.parametrize("strategy", Strategy)
def test_an_explained_exit_restarts_the_child_alone_at_once_and_uncounted(strategy: Strategy) -> None:
    bench = Bench("abc", strategy=strategy, max_restarts=0).start()
    for _ in range(100):
        bench.exit("b", explained=True)
    assert bench.seen() == ["start b"] * 100
    child = bench.machine.children["b"]
    assert (child.restarts, child.last_reason, child.last_restart_at) == (100, "ValueError: boom", bench.now + 1e9)
    assert all(ended.explained for ended in child.exits)


def test_an_explained_exit_does_not_bring_a_temporary_child_back() -> None:
    bench = Bench({"a": spec(Restart.TEMPORARY)}).start()
    bench.exit("a", explained=True)
    assert bench.seen() == []


def test_a_child_that_restarted_itself_is_recorded_and_left_alone() -> None:
    bench = Bench("a", max_restarts=0).start()
    for _ in range(100):
        bench.send(ChildRestartedItself("a", BOOM))
    assert bench.seen() == []
    assert bench.machine.children["a"].restarts == 100
    assert len(bench.machine.children["a"].exits) == EXITS_KEPT
    with pytest.raises(NoSuchChildError):
        bench.send(ChildRestartedItself("x", BOOM))
