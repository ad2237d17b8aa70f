"""What a process may use of a rate and of caps, of which others have the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.core.caps import APP, Caps, Part, limit_of, of_service, of_tenant
from runtime.core.limit_checks import Now
from runtime.core.limits import Limits
from runtime.core.policy import Policy, Scope
from runtime.core.policy_book import PolicyBook
from runtime.core.portions import RATE_UNITS, Portions
from runtime.core.token_bucket import ASKED_SECONDS, NO_RATE_RETRY_SECONDS, AskedRate, TokenBucket

ACME = Scope(None, "acme")
MAIL = Scope("mail")


def book(**policies: Policy) -> PolicyBook:
    scopes = {"app": Scope(), "acme": ACME, "mail": MAIL, "every": Scope(None, "*")}
    return PolicyBook({scopes[name]: policy for name, policy in policies.items()})


class TestRates:
    def test_a_part_of_the_rate_brings_a_part_of_the_tokens(self) -> None:
        bucket = TokenBucket(10.0, 8.0, 0.0, part=0.5)
        assert [bucket.take(1, 0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, pytest.approx(0.2)]
        assert bucket.take(1, 0.2) == 0.0

    def test_a_larger_part_brings_no_tokens_at_once_and_a_smaller_one_loses_those_that_exceed_it(self) -> None:
        bucket = TokenBucket(10.0, 8.0, 0.0, part=0.5)
        bucket.set_part(1.0, 0.0)
        assert (bucket.tokens, bucket.rate, bucket.burst) == (4.0, 10.0, 8.0)
        bucket.set_part(0.25, 0.1)
        assert (bucket.tokens, bucket.rate, bucket.burst) == (2.0, 2.5, 2.0)

    def test_without_a_part_nothing_is_let_in_for_now(self) -> None:
        bucket = TokenBucket(10.0, 8.0, 0.0, part=0.0)
        assert bucket.take(1, 100.0) == NO_RATE_RETRY_SECONDS

    @given(
        st.floats(0.1, 50.0),
        st.floats(1.0, 50.0),
        st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 2), st.integers(0, 64))),
    )
    def test_all_processes_together_let_in_no_more_than_rate_and_burst_however_the_parts_move(
        self, rate: float, burst: float, steps: list[tuple[float, int, int]]
    ) -> None:
        buckets = [TokenBucket(rate, burst, 0.0, part=part) for part in (0.5, 0.25, 0.25)]
        now, passed = 0.0, 0
        for seconds, place, part in steps:
            now += seconds
            others = sum(each.part for each in buckets) - buckets[place].part
            buckets[place].set_part(min(part / 64, 1.0 - others), now)
            for bucket in buckets:
                while bucket.take(1, now) == 0.0:
                    passed += 1
        owed_at_most_one_each = len(buckets)
        assert passed <= rate * now + burst + owed_at_most_one_each + 1e-6

    def test_what_is_asked_is_averaged_and_fades(self) -> None:
        bucket = TokenBucket(1000.0, 1000.0, 0.0)
        asked = AskedRate(bucket, 0.0, 0.0)
        bucket.take(50, 0.5)
        assert asked.observe(0.5) == pytest.approx(100.0)
        assert asked.observe(0.51) == pytest.approx(100.0), "too soon to say anything else"
        assert 1.0 < asked.observe(0.5 + ASKED_SECONDS) < 25.0

    def test_the_limits_use_the_portions_and_name_those_that_are_too_small(self) -> None:
        portions = Portions(shards=32)
        limits = Limits(book(mail=Policy(rate=10.0, burst=4)), portions)
        now = Now(0.0, 0.0)
        assert limits.take("mail", "acme", 2, now) is None
        refusal = limits.take("mail", "acme", 1, now)
        assert refusal is not None
        assert refusal.allowed == 10.0
        assert refusal.retry_after == pytest.approx(0.2)
        assert (limits.take_short(), limits.take_short()) == ({MAIL}, set())
        portions.use(32, {limit_of(MAIL): RATE_UNITS})
        limits.share_rates(0.0)
        assert limits.take("mail", "acme", 1, Now(0.1, 0.1)) is None
        assert limits.take("mail", "acme", 3, Now(0.1, 0.1)) is not None
        assert limits.take_short() == set(), "more than all of it is nobody's to give"


class TestCaps:
    def caps(self, book: PolicyBook, shards: int = 32, **costs: int) -> tuple[Caps, Portions]:
        portions = Portions(shards=shards)
        return Caps(book, costs or {"mail": 1}, portions), portions

    def test_what_is_not_set_is_no_cap(self) -> None:
        caps, _ = self.caps(book())
        for limit in (APP, of_service("mail"), of_tenant("acme"), of_tenant("acme", "mail"), of_service("gone")):
            assert (caps.whole(limit), caps.here(limit), caps.part(limit)) == (None, None, None)

    def test_a_process_has_its_part_by_shards_or_as_agreed(self) -> None:
        caps, portions = self.caps(book(acme=Policy(slots=11)))
        limit = of_tenant("acme")
        assert (caps.here(limit), caps.part(limit)) == (5, Part(5, 11))
        portions.use(32, {limit: 8})
        assert str(caps.part(limit)) == "8 of the deployment's 11 slots are this process's part"
        portions.use(64, {})
        assert (caps.here(limit), caps.part(limit)) == (11, None)

    def test_a_cap_is_divided_into_what_events_need(self) -> None:
        caps, portions = self.caps(book(app=Policy(slots=11), mail=Policy(slots=11)), mail=3, news=2)
        assert (caps.here(APP), caps.here(of_service("mail"))) == (3, 3)
        portions.use(64, {})
        assert (caps.here(APP), caps.here(of_service("mail"))) == (11, 11)

    def test_a_cap_within_a_service_lets_one_event_run(self) -> None:
        caps, _ = self.caps(book(every=Policy(slots=1)), shards=64, mail=3)
        assert caps.here(of_tenant("acme", "mail")) == 3
