"""Whatever the policy: attempts end, pauses keep to their limits, nothing comes after the deadline."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from actors import Backoff, RetryLaterError, RetryPolicy
from runtime.core.retry import Failed, GiveUp, RetryAt, decide

SECONDS = st.floats(min_value=0.0, max_value=1e6)
POSITIVE = st.floats(min_value=1e-3, max_value=1e6)


@st.composite
def policies(draw: st.DrawFn) -> RetryPolicy:
    deadline = draw(st.none() | POSITIVE)
    if draw(st.booleans()):
        intervals = tuple(draw(st.lists(SECONDS, min_size=1, max_size=8)))
        attempts = draw(st.none() | st.integers(len(intervals) + 1, 20))
        return RetryPolicy(attempts=attempts, intervals=intervals, deadline_seconds=deadline)
    initial, jitter = draw(SECONDS), draw(st.floats(0.0, 1.0))
    backoff = Backoff(initial_seconds=initial, factor=draw(st.floats(1.0, 10.0)), max_seconds=1e6, jitter=jitter)
    attempts = draw(st.none() | st.integers(1, 20))
    return RetryPolicy(attempts=attempts, backoff=backoff, deadline_seconds=deadline)


ERRORS = st.one_of(
    st.just(OSError("away")),
    SECONDS.map(lambda seconds: RetryLaterError(after_seconds=seconds)),
    SECONDS.map(lambda at: RetryLaterError(at=at)),
)


@given(policies(), st.lists(ERRORS, min_size=25, max_size=25), SECONDS, st.integers())
def test_a_history_of_failures_ends_within_its_limits(
    policy: RetryPolicy, errors: list[Exception], accepted_at: float, seed: int
) -> None:
    now, random = accepted_at, Random(seed)
    for attempt, error in enumerate(errors, 1):
        decision = decide(policy, Failed(attempt, accepted_at, now), error, random)
        if isinstance(decision, GiveUp):
            assert decision.reason
            assert attempt == policy.limit or policy.deadline_seconds is not None
            return
        assert isinstance(decision, RetryAt)
        assert attempt < policy.limit
        assert decision.due_at >= now
        if policy.deadline_seconds is not None:
            assert decision.due_at <= accepted_at + policy.deadline_seconds
        if policy.intervals and not isinstance(error, RetryLaterError):
            assert decision.due_at - now <= max(policy.intervals) * (1 + 1e-9) + 1e-6
        now = decision.due_at
    raise AssertionError("it never ends")
