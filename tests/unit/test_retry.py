from __future__ import annotations

import asyncio
import math
from random import Random
from typing import Any

import pytest

from actors import Backoff, RetryLaterError, RetryPolicy, SpecError
from runtime.core.retry import Failed, GiveUp, RetryAt, decide

STEADY = Backoff(initial_seconds=1.0, factor=2.0, max_seconds=10.0, jitter=0.0)


def failed(attempt: int, now: float) -> Failed:
    return Failed(attempt, 0.0, now)


class NotFoundError(LookupError):
    pass


def test_a_permanent_error_and_its_subclasses_give_up_at_once() -> None:
    policy = RetryPolicy(attempts=5, permanent=(ValueError, LookupError))
    for error in (ValueError("bad"), NotFoundError("gone")):
        decision = decide(policy, failed(1, 0.0), error, Random(1))
        assert isinstance(decision, GiveUp)
        assert "permanent" in decision.reason
        assert type(error).__name__ in decision.reason


def test_the_last_attempt_is_the_end() -> None:
    policy = RetryPolicy(attempts=3, backoff=STEADY)
    assert isinstance(decide(policy, failed(2, 0.0), OSError(), Random(1)), RetryAt)
    assert decide(policy, failed(3, 0.0), OSError(), Random(1)) == GiveUp("attempt 3 of 3 failed")


def test_an_event_past_a_lowered_limit_gives_up() -> None:
    assert isinstance(decide(RetryPolicy(attempts=2), failed(7, 0.0), OSError(), Random(1)), GiveUp)


def test_a_single_attempt_is_never_retried() -> None:
    assert isinstance(decide(RetryPolicy(attempts=1), failed(1, 0.0), OSError(), Random(1)), GiveUp)


@pytest.mark.parametrize(("attempt", "delay"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (999, 10.0)])
def test_the_pause_grows_with_each_attempt_up_to_its_limit(attempt: int, delay: float) -> None:
    policy = RetryPolicy(attempts=1000, backoff=STEADY)
    assert decide(policy, failed(attempt, 100.0), OSError(), Random(1)) == RetryAt(100.0 + delay)


def test_a_cancelled_handler_is_tried_again() -> None:
    assert isinstance(decide(RetryPolicy(), failed(1, 0.0), asyncio.CancelledError(), Random(1)), RetryAt)


def test_the_same_random_source_gives_the_same_decision() -> None:
    policy = RetryPolicy()
    assert decide(policy, failed(1, 5.0), OSError(), Random(7)) == decide(policy, failed(1, 5.0), OSError(), Random(7))


def test_intervals_are_the_pauses_and_say_how_many_attempts_there_are() -> None:
    policy = RetryPolicy(intervals=(5.0, 60.0, 0.0))
    assert [decide(policy, failed(n, 100.0), OSError(), Random(1)) for n in (1, 2, 3)] == [
        RetryAt(105.0),
        RetryAt(160.0),
        RetryAt(100.0),
    ]
    assert decide(policy, failed(4, 100.0), OSError(), Random(1)) == GiveUp("attempt 4 of 4 failed")


def test_the_last_interval_is_repeated_where_there_are_more_attempts() -> None:
    policy = RetryPolicy(intervals=(1.0, 7.0), attempts=9)
    assert decide(policy, failed(8, 0.0), OSError(), Random(1)) == RetryAt(7.0)


def test_nothing_is_tried_later_than_the_deadline_after_the_event_was_accepted() -> None:
    policy = RetryPolicy(attempts=9, intervals=(10.0,), deadline_seconds=30.0)
    assert decide(policy, failed(1, 20.0), OSError(), Random(1)) == RetryAt(30.0)
    late = decide(policy, failed(1, 20.1), OSError(), Random(1))
    assert isinstance(late, GiveUp)
    assert "later than 30 s after the event was accepted" in late.reason


def test_a_handler_chooses_its_own_pause_within_attempts_and_deadline() -> None:
    policy = RetryPolicy(attempts=3, deadline_seconds=500.0)
    assert decide(policy, failed(1, 100.0), RetryLaterError(after_seconds=7), Random(1)) == RetryAt(107.0)
    assert decide(policy, failed(1, 100.0), RetryLaterError(at=400.0), Random(1)) == RetryAt(400.0)
    assert decide(policy, failed(1, 100.0), RetryLaterError(at=3.0), Random(1)) == RetryAt(100.0)
    assert isinstance(decide(policy, failed(1, 100.0), RetryLaterError(at=501.0), Random(1)), GiveUp)
    assert isinstance(decide(policy, failed(3, 100.0), RetryLaterError(after_seconds=7), Random(1)), GiveUp)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"attempts": 0}, "attempts: must be between 1 and 1000, not 0"),
        ({"attempts": 1001}, "attempts: must be between 1 and 1000"),
        ({"intervals": (1.0,), "backoff": STEADY}, "intervals: say what the pauses are, and so does backoff"),
        ({"intervals": (1.0, -0.5)}, "intervals: must be seconds from 0 up, not -0.5"),
        ({"intervals": (math.nan,)}, "intervals: must be seconds from 0 up, not nan"),
        ({"intervals": (math.inf,)}, "intervals: must be seconds from 0 up, not inf"),
        ({"intervals": (1.0, 2.0), "attempts": 2}, "intervals: has 2, and 2 attempts have 1 pauses"),
        ({"deadline_seconds": 0.0}, "deadline_seconds: must be a finite number above 0"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        RetryPolicy(**fields)


@pytest.mark.parametrize(
    "fields", [{}, {"after_seconds": 1, "at": 2}, {"after_seconds": -1}, {"at": math.nan}, {"at": math.inf}]
)
def test_a_pause_that_means_nothing_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        RetryLaterError(**fields)
