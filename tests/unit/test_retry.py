from __future__ import annotations

import asyncio
from random import Random

import pytest

from actors.spec import Backoff, RetryPolicy
from runtime.core.retry import GiveUp, RetryAt, decide

STEADY = Backoff(initial_seconds=1.0, factor=2.0, max_seconds=10.0, jitter=0.0)


class NotFoundError(LookupError):
    pass


def test_a_permanent_error_and_its_subclasses_give_up_at_once() -> None:
    policy = RetryPolicy(attempts=5, permanent=(ValueError, LookupError))
    for error in (ValueError("bad"), NotFoundError("gone")):
        decision = decide(policy, 1, error, 0.0, Random(1))
        assert isinstance(decision, GiveUp)
        assert "permanent" in decision.reason
        assert type(error).__name__ in decision.reason


def test_the_last_attempt_is_the_end() -> None:
    policy = RetryPolicy(attempts=3, backoff=STEADY)
    assert isinstance(decide(policy, 2, OSError(), 0.0, Random(1)), RetryAt)
    assert decide(policy, 3, OSError(), 0.0, Random(1)) == GiveUp("attempt 3 of 3 failed")


def test_an_event_past_a_lowered_limit_gives_up() -> None:
    assert isinstance(decide(RetryPolicy(attempts=2), 7, OSError(), 0.0, Random(1)), GiveUp)


def test_a_single_attempt_is_never_retried() -> None:
    assert isinstance(decide(RetryPolicy(attempts=1), 1, OSError(), 0.0, Random(1)), GiveUp)


@pytest.mark.parametrize(("attempt", "delay"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (999, 10.0)])
def test_the_pause_grows_with_each_attempt_up_to_its_limit(attempt: int, delay: float) -> None:
    policy = RetryPolicy(attempts=1000, backoff=STEADY)
    assert decide(policy, attempt, OSError(), 100.0, Random(1)) == RetryAt(100.0 + delay)


def test_a_cancelled_handler_is_tried_again() -> None:
    assert isinstance(decide(RetryPolicy(), 1, asyncio.CancelledError(), 0.0, Random(1)), RetryAt)


def test_the_same_random_source_gives_the_same_decision() -> None:
    policy = RetryPolicy()
    assert decide(policy, 1, OSError(), 5.0, Random(7)) == decide(policy, 1, OSError(), 5.0, Random(7))
