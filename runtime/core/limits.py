"""Whether events may come in: the states, backlogs, rates and daily quotas of `runtime.core.policy`, all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runtime.core.daily_quota import RollingDay
from runtime.core.limit_checks import BacklogCheck, Check, Closed, Now, OneByOne, QuotaCheck, RateCheck, Refusal
from runtime.core.policy import EVERY_TENANT, Policy, Scope
from runtime.core.policy_book import PolicyBook, scopes_of
from runtime.core.portions import Portions
from runtime.core.token_bucket import TokenBucket

RECOUNT_SECONDS = 0.1
"""How often those who wait for room look again, although nothing has ended here: other processes end events too."""
KEPT = 100_000
"""So many tenants' limits are remembered before those are forgotten that are as good as new."""


class Limits:
    """Every limit that the book's policies set."""

    def __init__(self, book: PolicyBook, portions: Portions | None = None) -> None:
        self._book = book
        self._portions = portions or Portions()
        self._checks: dict[tuple[str, str], tuple[Check, ...]] = {}
        self._one_by_one: dict[tuple[str, str], OneByOne] = {}
        """Of those whose figures are all known. Once they are, they stay so."""
        self.buckets: dict[Scope, TokenBucket] = {}
        """Of the rates that were asked since they were set."""
        self._short: set[Scope] = set()
        self._backlogs: dict[Scope, BacklogCheck] = {}
        self._ending: dict[tuple[str, str], tuple[BacklogCheck, ...]] = {}
        """Those that the end of an event concerns, for as long as no other one is made."""
        self.days: dict[str, RollingDay] = {}
        """What tenants with a quota have used of it."""
        self.active = False
        self.refresh()

    def refresh(self) -> None:
        """The book has changed. What was used up stays used up."""
        self._checks.clear()
        self._backlogs.clear()
        self._ending.clear()
        self._one_by_one.clear()
        self.active = any(_limits(self._book.at(scope)) for scope in self._book.scopes())

    def take(self, service: str, tenant: str, count: int, now: Now) -> Refusal | None:
        """Let `count` events in, or say why not."""
        checks = self._checks.get((service, tenant))
        if checks is None:
            checks = self._remember(service, tenant, now)
        for index, check in enumerate(checks):
            refusal = check.take(count, now)
            if refusal is not None:
                for taken in checks[:index]:
                    taken.give_back(count, now)
                return refusal
        return None

    def give_back(self, service: str, tenant: str, count: int, now: Now) -> None:
        """Undo a `take`: the events were not stored."""
        for check in self._checks.get((service, tenant), ()):
            check.give_back(count, now)

    def ended(self, service: str, tenant: str, count: int) -> None:
        """Events of a tenant no longer wait."""
        checks = self._ending.get((service, tenant))
        if checks is None:
            found = (self._backlogs.get(scope) for scope in scopes_of(service, tenant))
            checks = self._ending[service, tenant] = tuple(check for check in found if check is not None)
        for check in checks:
            check.ended(count)

    def backlogs(self) -> list[BacklogCheck]:
        """Those that were asked since the book changed."""
        return list(self._backlogs.values())

    def uncounted(self, service: str, tenant: str, now: Now) -> list[BacklogCheck]:
        """Those that apply and do not know yet how many wait."""
        checks = self._checks.get((service, tenant)) or self._remember(service, tenant, now)
        return [check for check in checks if isinstance(check, BacklogCheck) and not check.known]

    def take_one(self, service: str, tenant: str, monotonic: float, utc: float) -> bool:
        """Let one event in if that can be told at once; otherwise nothing has happened, and `take` is to be asked."""
        checks = self._one_by_one.get((service, tenant)) or self._know(service, tenant)
        return checks is not None and checks.take(monotonic, utc)

    def _know(self, service: str, tenant: str) -> OneByOne | None:
        """The checks of a tenant, if every figure that they depend on is known."""
        checks = self._checks.get((service, tenant))
        if checks is None or self.unlearned(tenant) is not None:
            return None
        for check in checks:
            if isinstance(check, Closed) or (isinstance(check, BacklogCheck) and not check.known):
                return None
        known = self._one_by_one[service, tenant] = OneByOne(checks)
        return known

    def unlearned(self, tenant: str) -> RollingDay | None:
        """A tenant's day, if it counts and what was saved of it is not known yet."""
        day = self.days.get(tenant)
        return None if day is None or day.learned else day

    def take_short(self) -> set[Scope]:
        """Scopes of which this process's part of the rate was too small since the last call."""
        short = self._short.copy()
        self._short.clear()
        return short

    def share_rates(self, monotonic: float, scopes: Iterable[Scope] | None = None) -> None:
        """This process's parts of rates have changed; None for all of them."""
        for scope in self.buckets if scopes is None else scopes:
            bucket = self.buckets.get(scope)
            if bucket is not None:
                bucket.set_part(self._portions.rate_part(scope), monotonic)

    def overdrawn(self, now: Now) -> frozenset[str]:
        """Tenants that have used more than their daily quota and whose overflow is throttled."""
        return frozenset(
            tenant
            for tenant, day in self.days.items()
            if (policy := self._book.of_tenant(tenant)).overflow == "throttle"
            and policy.quota is not None
            and day.used(now.utc) > policy.quota
        )

    def _remember(self, service: str, tenant: str, now: Now) -> tuple[Check, ...]:
        if len(self._checks) >= KEPT:
            self._checks.clear()
            self._backlogs.clear()
            self._ending.clear()
            self._one_by_one.clear()
            self.buckets = {
                scope: bucket for scope, bucket in self.buckets.items() if not bucket.is_full(now.monotonic)
            }
        checks = self._checks[service, tenant] = tuple(self._make(service, tenant, now))
        return checks

    def _make(self, service: str, tenant: str, now: Now) -> Iterator[Check]:
        book = self._book
        refused = book.refusal(service, tenant)
        if refused is not None:
            scope, state = refused
            yield Closed(scope, state)
        for scope in scopes_of(service, tenant):
            policy = book.at(scope)
            if scope.tenant is not None:
                policy = policy.over(book.at(Scope(scope.service, EVERY_TENANT)))
            yield from self._limits_of(scope, policy, now)
        quota = book.of_tenant(tenant)
        if quota.quota is not None:
            day = self.days.setdefault(tenant, RollingDay())
            yield QuotaCheck(tenant, quota.quota, day, throttles=quota.overflow == "throttle")

    def _limits_of(self, scope: Scope, policy: Policy, now: Now) -> Iterator[Check]:
        if policy.backlog is not None:
            if scope not in self._backlogs:
                self._backlogs[scope] = BacklogCheck(scope, policy.backlog)
                self._ending.clear()
            yield self._backlogs[scope]
        if policy.rate is not None:
            burst = max(1.0, policy.rate if policy.burst is None else policy.burst)
            bucket = self.buckets.get(scope)
            if bucket is None or bucket.whole != (policy.rate, burst):
                part = self._portions.rate_part(scope)
                bucket = self.buckets[scope] = TokenBucket(policy.rate, burst, now.monotonic, part)
            yield RateCheck(scope, bucket, self._short)


def _limits(policy: Policy) -> bool:
    """Whether a policy can refuse anything."""
    refusing = policy.state in {"draining", "quarantined"}
    return refusing or policy.backlog is not None or policy.rate is not None or policy.quota is not None
