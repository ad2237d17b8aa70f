"""Who may bring how many events, and when there is room again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.core.daily_quota import RollingDay
from runtime.core.limit_checks import Now, Refusal
from runtime.core.limits import Limits
from runtime.core.policy import Overflow, Policy, Scope
from runtime.core.policy_book import PolicyBook
from runtime.core.token_bucket import TokenBucket
from runtime.durable.gate import error_of
from runtime.errors import ClosedError, LimitError

ACME = Scope(None, "acme")
HOUR = 3600
NOON = Now(monotonic=0.0, utc=500_000.0 * HOUR)


def later(seconds: float) -> Now:
    return Now(NOON.monotonic + seconds, NOON.utc + seconds)


def limits(policies: dict[Scope, Policy], waiting: int = 0) -> Limits:
    made = Limits(PolicyBook(policies))
    for check in made.uncounted("mail", "acme", NOON):
        check.begin_count()
        check.counted(waiting)
    return made


def take(made: Limits, count: int = 1, now: Now = NOON, tenant: str = "acme") -> Refusal | None:
    return made.take("mail", tenant, count, now)


def test_without_policies_nothing_is_limited() -> None:
    assert not limits({}).active
    assert not limits({ACME: Policy(weight=2.0, slots=1)}).active


class TestBacklog:
    def test_events_come_in_up_to_the_limit(self) -> None:
        made = limits({ACME: Policy(backlog=3)}, waiting=1)
        assert made.active
        assert take(made, 2) is None
        assert take(made) == Refusal("backlog", ACME, 3, 3, 1.0)

    def test_what_ended_makes_room(self) -> None:
        made = limits({ACME: Policy(backlog=3)}, waiting=3)
        made.ended("mail", "acme", 2)
        assert take(made, 2) is None
        assert take(made) is not None

    def test_more_than_the_limit_at_once_never_comes_in(self) -> None:
        refusal = take(limits({ACME: Policy(backlog=3)}), 4)
        assert refusal is not None
        assert refusal.retry_after is None

    def test_a_count_made_while_events_come_and_go_is_corrected_by_them(self) -> None:
        made = limits({ACME: Policy(backlog=10)}, waiting=0)
        [check] = made.backlogs()
        check.begin_count()
        take(made, 5)
        made.ended("mail", "acme", 2)
        check.counted(4)
        assert take(made, 3) is None
        assert take(made) is not None

    @pytest.mark.parametrize(
        "scope", [Scope(), Scope("mail"), Scope("mail", "acme"), Scope(None, "*"), Scope("mail", "*")]
    )
    def test_it_can_be_set_for_any_scope(self, scope: Scope) -> None:
        made = limits({scope: Policy(backlog=1)})
        assert take(made) is None
        refusal = take(made)
        assert refusal is not None
        assert refusal.scope == (scope if scope.tenant != "*" else Scope(scope.service, "acme"))

    def test_each_tenant_has_its_own_of_those_for_each(self) -> None:
        made = limits({Scope(None, "*"): Policy(backlog=1)})
        assert take(made) is None
        assert take(made, tenant="other") is None


def test_a_refusal_takes_nothing_of_the_limits_before_it() -> None:
    made = limits({Scope("mail", "acme"): Policy(backlog=5), Scope(): Policy(backlog=3)})
    assert take(made, 4) is not None
    made.refresh()
    assert take(made, 3) is None


def test_what_was_let_in_and_not_stored_is_given_back() -> None:
    made = limits({ACME: Policy(backlog=1, daily_quota=1, rate=1.0)})
    assert take(made) is None
    made.give_back("mail", "acme", 1, NOON)
    assert take(made) is None


class TestRate:
    def test_events_over_the_rate_wait_for_their_tokens(self) -> None:
        made = limits({Scope("mail"): Policy(rate=2.0, burst=4)})
        assert take(made, 4) is None
        assert take(made) == Refusal("rate", Scope("mail"), 2.0, 2.0, 0.5)
        assert take(made, now=later(0.5)) is None

    def test_a_rate_that_is_changed_starts_anew_and_others_go_on(self) -> None:
        made = limits({Scope("mail"): Policy(rate=1.0)})
        assert take(made) is None
        made.refresh()
        assert take(made) is not None, "setting something else must not give tokens away"

    @given(
        rate=st.floats(0.5, 50.0),
        burst=st.floats(1.0, 20.0),
        calls=st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(1, 10)), max_size=40),
    )
    def test_no_more_than_rate_and_burst_pass_and_the_wait_told_is_true(
        self, rate: float, burst: float, calls: list[tuple[float, int]]
    ) -> None:
        bucket, now, passed, largest = TokenBucket(rate, burst, 0.0), 0.0, 0, 0
        for pause, count in calls:
            now += pause
            wait = bucket.take(count, now)
            if wait:
                assert bucket.take(count, now + wait * 0.99) > 0.0
                now += wait * 1.000001
                assert bucket.take(count, now) == 0.0
            passed += count
            largest = max(largest, count)
            assert passed <= burst + rate * now + largest + 1e-6


class TestQuota:
    def test_events_over_the_quota_are_refused_with_the_moment_when_room_returns(self) -> None:
        made = limits({ACME: Policy(daily_quota=10)})
        assert take(made, 8) is None
        assert take(made, 3) == Refusal("daily_quota", ACME, 10, 8, 25 * HOUR)
        assert take(made, 2) is None

    def test_room_returns_when_the_hour_is_a_day_old(self) -> None:
        made = limits({ACME: Policy(daily_quota=10)})
        take(made, 10)
        assert take(made, 10, later(25 * HOUR - 1)) is not None
        assert take(made, 10, later(25 * HOUR)) is None

    def test_more_than_the_quota_at_once_never_comes_in(self) -> None:
        refusal = take(limits({ACME: Policy(daily_quota=10)}), 11)
        assert refusal is not None
        assert refusal.retry_after is None

    def test_what_others_used_counts(self) -> None:
        made = limits({ACME: Policy(daily_quota=10)})
        take(made)
        day = made.days["acme"]
        assert day.take_unsaved() == {500_000: 1}
        day.learn({500_000: 1, 499_990: 8})
        assert day.used(NOON.utc) == 9
        assert take(made, 2) is not None

    def test_what_could_not_be_saved_is_saved_later(self) -> None:
        day = RollingDay()
        day.add_within(math.inf, 3, NOON.utc)
        day.give_back(day.take_unsaved())
        assert day.used(NOON.utc) == 3
        assert day.take_unsaved() == {500_000: 3}

    def test_throttled_overflow_comes_in_and_is_told_apart(self) -> None:
        made = limits({ACME: Policy(daily_quota=10, overflow="throttle")})
        assert take(made, 10) is None
        assert made.overdrawn(NOON) == frozenset()
        assert take(made) is None
        assert made.overdrawn(NOON) == {"acme"}
        assert made.overdrawn(later(25 * HOUR)) == frozenset()

    @given(
        used=st.dictionaries(st.integers(499_970, 500_000), st.integers(0, 20)),
        count=st.integers(1, 30),
        quota=st.integers(1, 100),
    )
    def test_room_returns_exactly_at_the_moment_told(self, used: dict[int, int], count: int, quota: int) -> None:
        day = RollingDay()
        day.learn(used)
        at = day.room_at(count, quota, NOON.utc)
        if at is None:
            assert count > quota
        else:
            assert day.used(at) + count <= quota
            assert at == NOON.utc or day.used(at - 1) + count > quota


class TestClosed:
    @pytest.mark.parametrize("scope", [ACME, Scope("mail"), Scope("mail", "acme"), Scope()])
    def test_a_drained_or_quarantined_scope_takes_nothing(self, scope: Scope) -> None:
        for state in ("draining", "quarantined"):
            made = limits({scope: Policy(state=state)})
            refusal = take(made)
            assert refusal is not None
            assert isinstance(error_of(refusal), ClosedError)

    def test_a_paused_tenant_takes_events(self) -> None:
        assert take(limits({ACME: Policy(state="paused")})) is None


def take_one(made: Limits, now: Now = NOON) -> bool:
    return made.take_one("mail", "acme", now.monotonic, now.utc)


def test_one_event_is_let_in_at_once_when_its_backlog_was_counted_and_its_day_was_read() -> None:
    made = Limits(PolicyBook({ACME: Policy(backlog=3, daily_quota=5)}))
    assert not take_one(made)
    for check in made.uncounted("mail", "acme", NOON):
        check.begin_count()
        check.counted(2)
    assert not take_one(made)
    made.days["acme"].learn({})
    assert take_one(made)
    assert not take_one(made), "the backlog is full"
    made.refresh()
    assert not take_one(made), "other policies, other backlogs to count"


def test_a_closed_tenant_has_nothing_let_in_at_once() -> None:
    assert not take_one(limits({ACME: Policy(state="draining")}))


@given(
    backlog=st.integers(1, 8) | st.none(),
    rate=st.floats(0.5, 5.0) | st.none(),
    quota=st.integers(1, 20) | st.none(),
    overflow=st.sampled_from(["throttle", None]),
    calls=st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1.0, HOUR]), st.integers(0, 3)), max_size=40),
)
def test_one_event_at_once_is_let_in_exactly_where_many_would_be(
    backlog: int | None,
    rate: float | None,
    quota: int | None,
    overflow: Overflow | None,
    calls: list[tuple[float, int]],
) -> None:
    book = PolicyBook(
        {
            ACME: Policy(backlog=backlog, daily_quota=quota, overflow=overflow),
            Scope("mail"): Policy(rate=rate, burst=3 if rate else None),
            Scope(): Policy(backlog=6, rate=4.0, burst=5),
        }
    )
    single, several = Limits(book), Limits(book)
    for made in (single, several):
        for check in made.uncounted("mail", "acme", NOON):
            check.counted(0)
        for day in made.days.values():
            day.learn({})
    seconds = 0.0
    for pause, ended in calls:
        seconds += pause
        now = later(seconds)
        for made in (single, several):
            made.ended("mail", "acme", ended)
        assert take_one(single, now) is (take(several, now=now) is None)
        assert [check.waiting for check in single.backlogs()] == [check.waiting for check in several.backlogs()]
        assert single.overdrawn(now) == several.overdrawn(now)


def test_the_error_has_the_facts() -> None:
    error = error_of(Refusal("backlog", ACME, 1000, 1000, 1.0))
    assert isinstance(error, LimitError)
    assert (error.limit, error.scope, error.allowed, error.used) == ("backlog", "tenant acme", 1000, 1000)
    assert str(error) == "the limit of tenant acme is reached: 1,000 events may wait, and 1,000 do; try again in 1 s"
