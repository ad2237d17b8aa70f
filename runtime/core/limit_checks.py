"""The limits of one scope: a backlog, a rate, a daily quota, or that it takes nothing at all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, Protocol

import msgspec

from runtime.core.daily_quota import RollingDay
from runtime.core.policy import Scope
from runtime.core.token_bucket import TokenBucket

LimitName = Literal["backlog", "rate", "daily_quota", "draining", "quarantined"]
BACKLOG_RETRY_SECONDS = 1.0
"""When to look again whether a backlog has shrunk, for those who cannot be told."""
REFILL_SECONDS = 0.001
"""Single events that follow each other faster do not refill a bucket: what the rate brings in this time is all that can
pass beyond its burst."""


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

    __slots__ = ("_before", "known", "limit", "scope", "waiting")

    def __init__(self, scope: Scope, limit: int) -> None:
        self.scope = scope
        self.limit = limit
        self.known = False
        """Whether it was ever counted."""
        self.waiting = 0
        self._before = 0

    def begin_count(self) -> None:
        self._before = self.waiting

    def counted(self, waiting: int) -> None:
        """How many waited when `begin_count` was called."""
        self.known = True
        self.waiting = max(0, waiting + self.waiting - self._before)

    def take(self, count: int, now: Now) -> Refusal | None:  # noqa: ARG002 # as `Check`
        if self.waiting + count > self.limit:
            retry = BACKLOG_RETRY_SECONDS if count <= self.limit else None
            return Refusal("backlog", self.scope, self.limit, self.waiting, retry)
        self.waiting += count
        return None

    def give_back(self, count: int, now: Now) -> None:  # noqa: ARG002 # as `Check`
        self.ended(count)

    def ended(self, count: int) -> None:
        self.waiting = max(0, self.waiting - count)


class RateCheck:
    """A rate, or this process's part of it. `short` is told where a part was too small."""

    def __init__(self, scope: Scope, bucket: TokenBucket, short: set[Scope]) -> None:
        self._scope = scope
        self._short = short
        self.bucket = bucket

    def take(self, count: int, now: Now) -> Refusal | None:
        wait = self.bucket.take(count, now.monotonic)
        if not wait:
            return None
        if self.bucket.part < 1.0:
            self._short.add(self._scope)
        rate, _ = self.bucket.whole
        return Refusal("rate", self._scope, rate, rate, wait)

    def give_back(self, count: int, now: Now) -> None:  # noqa: ARG002 # as `Check`
        self.bucket.give_back(count)


class QuotaCheck:
    def __init__(self, tenant: str, quota: int, day: RollingDay, *, throttles: bool) -> None:
        self._scope = Scope(None, tenant)
        self._quota = quota
        self.day = day
        self.bound = math.inf if throttles else quota
        """What may come in."""

    def take(self, count: int, now: Now) -> Refusal | None:
        if self.day.add_within(self.bound, count, now.utc):
            return None
        room_at = self.day.room_at(count, self._quota, now.utc)
        retry = None if room_at is None else max(0.0, room_at - now.utc)
        return Refusal("daily_quota", self._scope, self._quota, self.day.used(now.utc), retry)

    def give_back(self, count: int, now: Now) -> None:
        self.day.add_within(math.inf, -count, now.utc)


class OneByOne:
    """The checks that a single event has to pass, where every figure is known.

    One function over all of them: each call on this path costs a hundredth of an event.
    """

    __slots__ = ("_backlogs", "_buckets", "_quotas")

    def __init__(self, checks: Iterable[Check]) -> None:
        checks = tuple(checks)
        self._backlogs = [check for check in checks if isinstance(check, BacklogCheck)]
        self._buckets = [check.bucket for check in checks if isinstance(check, RateCheck)]
        self._quotas = [check for check in checks if isinstance(check, QuotaCheck)]

    def take(self, monotonic: float, utc: float) -> bool:
        """Let one event in, or take nothing and return False."""
        for backlog in self._backlogs:
            if backlog.waiting >= backlog.limit:
                return False
        for bucket in self._buckets:
            passed = monotonic - bucket.at
            if passed > REFILL_SECONDS:
                tokens, burst = bucket.tokens + passed * bucket.rate, bucket.burst
                bucket.tokens = tokens if tokens < burst else burst  # noqa: FURB136 # min() costs as much as all else
                bucket.at = monotonic
            if bucket.tokens < 1.0:
                return False
        for quota in self._quotas:  # there is one at most
            if not quota.day.add_within(quota.bound, 1, utc):
                return False
        for backlog in self._backlogs:
            backlog.waiting += 1
        for bucket in self._buckets:
            bucket.tokens -= 1.0
            bucket.asked += 1
        return True
