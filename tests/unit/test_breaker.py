"""A breaker opens when most of a tenant's last events failed, tries again after a pause, and leaves others alone."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Breaker, SpecError
from runtime.core.breaker import Breakers, BreakerState

POLICY = Breaker(window=4, ratio=0.75, pause_seconds=10.0, max_pause_seconds=25.0)
OPEN, CLOSED, PROBING = BreakerState.OPEN, BreakerState.CLOSED, BreakerState.PROBING


def opened() -> Breakers:
    breakers = Breakers(POLICY)
    assert breakers.record("a", 0, 4, 100.0, "away") is OPEN
    return breakers


def states(breakers: Breakers) -> dict[str, BreakerState]:
    breakers.validate()
    return {view.tenant: view.state for view in breakers.views()}


def test_successes_alone_are_not_remembered() -> None:
    breakers = Breakers(POLICY)
    assert breakers.record("a", 1000, 0, 0.0, "") is None
    assert not breakers.watching
    assert states(breakers) == {}


def test_it_opens_when_most_of_the_last_events_failed_and_no_sooner() -> None:
    breakers = Breakers(POLICY)
    steps = [(0, 1), (1, 0), (0, 1)]
    assert [breakers.record("a", ok, failed, 5.0, "away") for ok, failed in steps] == [None] * 3
    assert states(breakers) == {"a": CLOSED}
    assert breakers.record("a", 0, 1, 5.0, "away") is OPEN
    [view] = breakers.views()
    assert (view.failed, view.seen, view.reason, view.opened_at, view.try_at) == (3, 4, "away", 5.0, 15.0)


def test_failures_that_were_long_ago_are_forgotten() -> None:
    breakers = Breakers(POLICY)
    breakers.record("a", 0, 2, 0.0, "away")
    assert breakers.record("a", 4, 0, 0.0, "") is None
    assert states(breakers) == {}


def test_other_tenants_are_left_alone() -> None:
    breakers = opened()
    assert breakers.record("b", 3, 1, 100.0, "odd") is None
    assert states(breakers) == {"a": OPEN, "b": CLOSED}


def test_what_was_on_its_way_when_it_opened_changes_nothing() -> None:
    breakers = opened()
    assert breakers.record("a", 5, 5, 101.0, "late") is None
    assert states(breakers) == {"a": OPEN}
    assert breakers.next_due() == 110.0


def test_after_the_pause_one_chunk_shows_that_it_may_go_on() -> None:
    breakers = opened()
    assert breakers.due(109.9) == []
    assert breakers.due(110.0) == ["a"]
    assert states(breakers) == {"a": PROBING}
    assert breakers.probing == {"a"}
    breakers.took("a")
    assert breakers.probing == set()
    assert breakers.record("a", 3, 0, 111.0, "") is CLOSED
    assert states(breakers) == {}


def test_each_failed_trial_doubles_the_pause_up_to_its_limit() -> None:
    breakers, now, pauses = opened(), 100.0, []
    for _ in range(4):
        due = breakers.next_due()
        assert due is not None
        pauses.append(due - now)
        now = due
        breakers.due(now)
        breakers.took("a")
        assert breakers.record("a", 9, 1, now, "away") is OPEN
        breakers.validate()
    assert pauses == [10.0, 20.0, 25.0, 25.0]


def test_a_trial_that_tells_nothing_is_no_success() -> None:
    breakers = opened()
    breakers.due(110.0)
    assert breakers.record("a", 0, 0, 110.0, "") is OPEN


def test_a_trial_that_will_not_be_heard_of_is_tried_again() -> None:
    breakers = opened()
    breakers.due(110.0)
    breakers.took("a")
    breakers.restart(120.0)
    assert states(breakers) == {"a": OPEN}
    assert breakers.due(120.0) == ["a"]


def test_somebody_may_close_it() -> None:
    breakers = opened()
    assert breakers.close("a")
    assert not breakers.close("a")
    assert states(breakers) == {}
    assert breakers.next_due() is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"window": 0}, "window: must be between 1 and 10000"),
        ({"ratio": 0.0}, "ratio: must be above 0 and at most 1"),
        ({"ratio": 1.1}, "ratio: must be above 0 and at most 1"),
        ({"pause_seconds": 0.0}, "pause_seconds: must be a finite number above 0"),
        ({"pause_seconds": 60.0, "max_pause_seconds": 30.0}, "max_pause_seconds: must be at least pause_seconds"),
    ],
)
def test_a_breaker_that_makes_no_sense_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        Breaker(**fields)
