"""The gate before the journal: events come in within their limits, are refused with the facts, or wait for room."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from operator import attrgetter

from actors.context import Clock
from runtime.core.daily_quota import HOURS, hour_of
from runtime.core.limit_checks import BacklogCheck, Now, Refusal
from runtime.core.limits import RECOUNT_SECONDS, Limits
from runtime.core.policy import Scope
from runtime.durable.commit_group import Record
from runtime.errors import ClosedError, LimitError, StoreError
from runtime.store.policies import PolicyStore
from runtime.store.records import Claiming, Delayed, Event

RECOUNT_PAUSE = 20
"""Backlogs are not counted again for so many times as long as counting them took."""

_SERVICE_AND_TENANT = attrgetter("service", "tenant")

Progress = Callable[[], asyncio.Future[None]]
"""Gives what is done when an outcome is recorded after this call."""


class Gate:
    """One of a process. Limits hold for what comes in from outside; what handlers emit and retry passes, and counts."""

    def __init__(
        self,
        limits: Limits,
        store: PolicyStore,
        clock: Clock,
        progress: Progress,
        save_watermarks: Callable[[], Awaitable[None]],
    ) -> None:
        self._limits = limits
        self._store = store
        self._clock = clock
        self._progress = progress
        self._save_watermarks = save_watermarks
        self._recount_at = 0.0

    @property
    def active(self) -> bool:
        """Whether there is any limit."""
        return self._limits.active

    def pass_one(self, event: Event) -> bool:
        """Let one event in if that can be told at once; otherwise nothing has happened."""
        clock = self._clock
        return self._limits.take_one(event.service, event.tenant, clock.monotonic(), clock.now())

    def leave_one(self, event: Event) -> None:
        """An event that `pass_one` let in could not be stored."""
        self._limits.give_back(event.service, event.tenant, 1, self._now())

    @contextlib.asynccontextmanager
    async def passing(self, records: Sequence[Record], wait_seconds: float) -> AsyncIterator[None]:
        """Let records in that are stored inside the block. What could not be stored counts against no limit.

        Raises as `enter`.
        """
        if not self._limits.active:
            yield
            return
        counts = _counted(records)
        await self.enter(counts, wait_seconds)
        try:
            yield
        except StoreError:
            self._leave(counts)
            raise
        if Claiming in set(map(type, records)):
            self._leave(_counted([each for each in records if isinstance(each, Claiming) and each.claim.duplicate]))

    async def enter(self, counts: Mapping[tuple[str, str], int], wait_seconds: float) -> None:
        """Let so many events of each service and tenant in, or none of them, waiting for room up to a time.

        Raises:
            LimitError: a limit is reached, and would still be when the time is up.
            ClosedError: the tenant or the service takes no events now.
        """
        deadline = self._clock.monotonic() + wait_seconds
        while (refusal := await self._take(counts)) is not None:
            left = deadline - self._clock.monotonic()
            if refusal.retry_after is None or left <= 0.0:
                raise error_of(refusal)
            if refusal.limit == "backlog":
                await self._wait_progress(min(left, RECOUNT_SECONDS))
            elif refusal.retry_after > left:
                raise error_of(refusal)
            else:
                await asyncio.sleep(refusal.retry_after)

    def _leave(self, counts: Mapping[tuple[str, str], int]) -> None:
        now = self._now()
        for (service, tenant), count in counts.items():
            self._limits.give_back(service, tenant, count, now)

    def ended(self, service: str, tenant: str, count: int) -> None:
        """So many events of a tenant have been handled."""
        self._limits.ended(service, tenant, count)

    async def recount(self) -> None:
        """Count the backlogs in the database anew, as other processes and handlers add to them.

        Counting a large one takes long: it is given a twentieth of the time, and the figures are the older for it. What
        has ended since the watermarks were saved would be looked at for each of them.
        """
        began = self._clock.monotonic()
        backlogs = self._limits.backlogs()
        if began < self._recount_at or not backlogs:
            return
        await self._save_watermarks()
        for check in backlogs:
            await self._count(check)
        now = self._clock.monotonic()
        self._recount_at = now + RECOUNT_PAUSE * (now - began)

    async def _take(self, counts: Mapping[tuple[str, str], int]) -> Refusal | None:
        for service, tenant in counts:
            await self._learn(service, tenant)
        now = self._now()
        taken: list[tuple[str, str, int]] = []
        for (service, tenant), count in counts.items():
            refusal = self._limits.take(service, tenant, count, now)
            if refusal is not None:
                for one in taken:
                    self._limits.give_back(*one, now)
                return refusal
            taken.append((service, tenant, count))
        return None

    async def _learn(self, service: str, tenant: str) -> None:
        """Have the figures on which the limits of a tenant depend."""
        for check in self._limits.uncounted(service, tenant, self._now()):
            await self._count(check)
        day = self._limits.unlearned(tenant)
        if day is not None:
            saved = await self._store.count_usage({tenant: {}}, hour_of(self._clock.now()) - HOURS)
            day.learn(saved[tenant])

    async def _count(self, check: BacklogCheck) -> None:
        check.begin_count()
        check.counted(await self._store.count_waiting(check.scope, check.limit))

    async def _wait_progress(self, seconds: float) -> None:
        await asyncio.wait({self._progress()}, timeout=seconds)

    def _now(self) -> Now:
        return Now(self._clock.monotonic(), self._clock.now())


def _counted(records: Sequence[Record]) -> Counter[tuple[str, str]]:
    """How many of each service and tenant. Without a turn of Python's for each record, as bulk calls have thousands."""
    plain = set(map(type, records)) <= {Event}
    return Counter(map(_SERVICE_AND_TENANT, records if plain else map(_event, records)))


def _event(record: Record) -> Event:
    if isinstance(record, Claiming):
        record = record.record
    return record.event if isinstance(record, Delayed) else record


def error_of(refusal: Refusal) -> LimitError | ClosedError:
    """What a caller is told."""
    scope: Scope = refusal.scope
    if refusal.limit in {"draining", "quarantined"}:
        return ClosedError(f"{scope} is {refusal.limit} and takes no events")
    return LimitError(
        refusal.limit,
        str(scope),
        allowed=refusal.allowed,
        used=refusal.used,
        retry_after_seconds=refusal.retry_after,
    )
