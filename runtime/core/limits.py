"""Whether events may come in: the states, backlogs, rates and daily quotas of `runtime.core.policy`, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import msgspec

from runtime.core.daily_quota import RollingDay
from runtime.core.policy import EVERY_TENANT, Policy, Scope
from runtime.core.policy_book import PolicyBook, scopes_of
from runtime.core.token_bucket import TokenBucket

LimitName = Literal["backlog", "rate", "daily_quota", "draining", "quarantined"]
BACKLOG_RETRY_SECONDS = 1.0
"""When to look again whether a backlog has shrunk, for those who cannot be told."""
RECOUNT_SECONDS = 0.1
"""How often those who wait for room look again, although nothing has ended here: other processes end events too."""
KEPT = 100_000
"""So many tenants' limits are remembered before those are forgotten that are as good as new."""


class Now(msgspec.Struct, frozen=True):
    monotonic: float
    utc: float


class Refusal(msgspec.Struct, frozen=True):
    """Why events may not come in. `used` is without them; `retry_after` in seconds is None where time does not help."""

    limit: LimitName
    scope: Scope
    allowed: float
    used: float
    retry_after: float | None


class Check(Protocol):
    """One limit of one scope."""

    def take(self, count: int, now: Now) -> Refusal | None: ...
    def give_back(self, count: int, now: Now) -> None: ...


class Closed:
    """A scope that refuses everything."""

    def __init__(self, scope: Scope, state: Literal["draining", "quarantined"]) -> None:
        self._refusal = Refusal(state, scope, 0, 0, None)

    def take(self, count: int, now: Now) -> Refusal | None:  # noqa: ARG002 # as `Check`
        return self._refusal

    def give_back(self, count: int, now: Now) -> None:
        """Nothing was taken."""


class BacklogCheck:
    """Counts those waiting from one count in the database to the next by what comes in and what ends here."""

    def __init__(self, scope: Scope, limit: int) -> None:
        self.scope = scope
        self.limit = limit
        self.known = False
        """Whether it was ever counted."""
        self._count = 0
        self._since = 0

    def begin_count(self) -> None:
        self._since = 0

    def counted(self, waiting: int) -> None:
        """How many waited when `begin_count` was called."""
        self.known = True
        self._count = max(0, waiting + self._since)

    def take(self, count: int, now: Now) -> Refusal | None:  # noqa: ARG002 # as `Check`
        if self._count + count > self.limit:
            retry = BACKLOG_RETRY_SECONDS if count <= self.limit else None
            return Refusal("backlog", self.scope, self.limit, self._count, retry)
        self._add(count)
        return None

    def give_back(self, count: int, now: Now) -> None:  # noqa: ARG002 # as `Check`
        self.ended(count)

    def ended(self, count: int) -> None:
        self._add(-min(count, self._count))

    def _add(self, count: int) -> None:
        self._count += count
        self._since += count


class RateCheck:
    def __init__(self, scope: Scope, bucket: TokenBucket) -> None:
        self._scope = scope
        self._bucket = bucket

    def take(self, count: int, now: Now) -> Refusal | None:
        wait = self._bucket.take(count, now.monotonic)
        return Refusal("rate", self._scope, self._bucket.rate, self._bucket.rate, wait) if wait else None

    def give_back(self, count: int, now: Now) -> None:  # noqa: ARG002 # as `Check`
        self._bucket.give_back(count)


class QuotaCheck:
    def __init__(self, tenant: str, quota: int, day: RollingDay, *, throttles: bool) -> None:
        self._scope = Scope(None, tenant)
        self._quota = quota
        self._day = day
        self._throttles = throttles

    def take(self, count: int, now: Now) -> Refusal | None:
        used = self._day.used(now.utc)
        if used + count > self._quota and not self._throttles:
            room_at = self._day.room_at(count, self._quota, now.utc)
            retry = None if room_at is None else max(0.0, room_at - now.utc)
            return Refusal("daily_quota", self._scope, self._quota, used, retry)
        self._day.add(count, now.utc)
        return None

    def give_back(self, count: int, now: Now) -> None:
        self._day.add(-count, now.utc)


class Limits:
    """Every limit that the book's policies set."""

    def __init__(self, book: PolicyBook) -> None:
        self._book = book
        self._checks: dict[tuple[str, str], tuple[Check, ...]] = {}
        self._known: set[tuple[str, str]] = set()
        self._buckets: dict[Scope, TokenBucket] = {}
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
        self._known.clear()
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

    def are_known(self, service: str, tenant: str) -> bool:
        """Whether every figure is known that the limits of a tenant depend on. Once they are, they stay so."""
        pair = (service, tenant)
        if pair in self._known:
            return True
        checks = self._checks.get(pair)
        if checks is None or self.unlearned(tenant) is not None:
            return False
        if all(check.known for check in checks if isinstance(check, BacklogCheck)):
            self._known.add(pair)
        return pair in self._known

    def unlearned(self, tenant: str) -> RollingDay | None:
        """A tenant's day, if it counts and what was saved of it is not known yet."""
        day = self.days.get(tenant)
        return None if day is None or day.learned else day

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
            self._known.clear()
            self._buckets = {
                scope: bucket for scope, bucket in self._buckets.items() if not bucket.is_full(now.monotonic)
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
            bucket = self._buckets.get(scope)
            if bucket is None or (bucket.rate, bucket.burst) != (policy.rate, burst):
                bucket = self._buckets[scope] = TokenBucket(policy.rate, burst, now.monotonic)
            yield RateCheck(scope, bucket)


def _limits(policy: Policy) -> bool:
    """Whether a policy can refuse anything."""
    refusing = policy.state in {"draining", "quarantined"}
    return refusing or policy.backlog is not None or policy.rate is not None or policy.quota is not None
