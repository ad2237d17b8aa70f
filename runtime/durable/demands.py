"""How much of each limit this process uses, and how much more it would."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from actors.context import Clock
from runtime.core.asking import Asking
from runtime.core.caps import APP, Caps, limit_of, of_service, of_tenant
from runtime.core.interleave import interleave
from runtime.core.lease import DEFAULT_SHARDS
from runtime.core.limits import Limits
from runtime.core.portions import RATE_UNITS, Demand, Limit
from runtime.core.slot_account import NO_CAP
from runtime.core.token_bucket import AskedRate, TokenBucket
from runtime.durable.policy_keeper import PolicyKeeper

if TYPE_CHECKING:
    from runtime.durable.service import Service

RATE_STEP = RATE_UNITS // 16
"""What is wanted of a rate is told in such steps, so that it changes seldom."""
LEAST_RATE = RATE_UNITS // DEFAULT_SHARDS
"""Each process keeps so much of a rate: the first event after a while need not wait for others to give some back."""

MOST_TENANTS = 128
"""For so many tenants a process asks for more than its parts of their caps, at most; more take turns."""
MOST_RATES = 128
"""And of so many rates."""


class Demands:
    """Measures one process."""

    def __init__(
        self, services: Mapping[str, Service], keeper: PolicyKeeper, caps: Caps, limits: Limits, clock: Clock
    ) -> None:
        self._services = services
        self._keeper = keeper
        self._caps = caps
        self._limits = limits
        self._clock = clock
        self._asked: dict[Limit, AskedRate] = {}
        self._asking = Asking(MOST_TENANTS)

    def wanting(self) -> Iterator[Limit]:
        """Limits of which this process has used up its part."""
        yield from self._wanting_services()
        yield from islice(self._wanting_rates(), MOST_RATES)
        yield from self._wanting_tenants()

    def _wanting_services(self) -> Iterator[Limit]:
        if self._caps.whole(APP) is not None and self._keeper.pool.is_full:
            yield APP
        for service in self._services.values():
            if self._caps.whole(of_service(service.name)) is not None and service.slots.room <= 0:
                yield of_service(service.name)

    def _wanting_tenants(self) -> Iterator[Limit]:
        services = self._services.values()
        short = interleave(self._short_of(service) for service in services)
        divided = self._caps.divided_tenants()
        for tenant in self._asking.choose(short, self._is_short, divided, self._clock.monotonic()):
            limits = (of_tenant(tenant, service.name) for service in services if _is_short_of(service, tenant))
            for limit in (of_tenant(tenant), *limits):
                if self._caps.whole(limit) is not None:
                    yield limit

    def _short_of(self, service: Service) -> Iterator[str]:
        return (tenant for tenant in service.fair.bound() if _is_short_of(service, tenant))

    def _is_short(self, tenant: str) -> bool:
        return any(_is_short_of(service, tenant) for service in self._services.values())

    def forget_all_but(self, limits: Collection[Limit]) -> None:
        """Only these were measured."""
        self._asked = {limit: asked for limit, asked in self._asked.items() if limit in limits}

    def _wanting_rates(self) -> Iterator[Limit]:
        now = self._clock.monotonic()
        for scope in self._limits.take_short():
            limit = limit_of(scope)
            bucket = self._limits.buckets.get(scope)
            if bucket is not None:
                rate, _ = bucket.whole
                self._asked_of(limit, bucket, rate, now)
            yield limit

    def measure(self, limit: Limit) -> Demand | None:
        """What is used and wanted of a limit; None if it is not set."""
        if limit.kind == "rate":
            return self._measure_rate(limit)
        whole = self._caps.whole(limit)
        if whole is None:
            return None
        unit = self._caps.unit(limit)
        filled = self._filled(limit)
        wanted = filled + min(self._needed(limit, whole), NO_CAP)
        gives_way = limit.tenant is not None and self._asking.is_resting(limit.tenant)
        return Demand(whole // unit, -(-filled // unit), -(-wanted // unit), gives_way)

    def _filled(self, limit: Limit) -> int:
        if limit.service is None:
            if limit.tenant is None:
                return self._keeper.pool.filled
            account = self._keeper.accounts.get(limit.tenant)
            return 0 if account is None else account.filled
        service = self._services[limit.service]
        if limit.tenant is None:
            return service.slots.filled * service.definition.slots_per_event
        share = service.fair.standing(limit.tenant)
        return 0 if share is None else share.slots

    def _needed(self, limit: Limit, enough: int) -> int:
        """How many slots more could be filled; `enough` need not be exceeded."""
        if limit.service is not None:
            service = self._services[limit.service]
            if limit.tenant is None:
                return _needed_by_all(service, enough) + _kept_empty(service)
            return min(_needed_by(service, limit.tenant), enough)
        if limit.tenant is None:
            needed = sum(min(_needed_by_all(each, enough), _room(each)) for each in self._services.values())
            return needed + self._keeper.pool.kept_empty
        return sum(
            min(_needed_by(each, limit.tenant), _room(each), _room_of(each, limit.tenant))
            for each in self._services.values()
        )

    def _measure_rate(self, limit: Limit) -> Demand:
        bucket = self._limits.buckets.get(limit.scope)
        if bucket is None:
            return Demand(RATE_UNITS, 0, LEAST_RATE)
        now = self._clock.monotonic()
        rate, _ = bucket.whole
        average = self._asked_of(limit, bucket, 0.0, now).observe(now)
        steps = -(-average / rate * RATE_UNITS // RATE_STEP)
        return Demand(RATE_UNITS, 0, int(min(RATE_UNITS, max(LEAST_RATE, steps * RATE_STEP))))

    def _asked_of(self, limit: Limit, bucket: TokenBucket, average: float, now: float) -> AskedRate:
        asked = self._asked.get(limit)
        if asked is None or asked.bucket is not bucket:
            asked = self._asked[limit] = AskedRate(bucket, average, now)
        return asked


def _is_short_of(service: Service, tenant: str) -> bool:
    """Whether it could use more slots of a service than its caps allow here."""
    return service.fair.is_bound(tenant) and _needed_by(service, tenant) > 0


def _needed_by(service: Service, tenant: str) -> int:
    """How many slots more of a service a tenant could fill now, were it not for caps."""
    if not service.slots.is_open or service.slots.held is not None or service.fair.terms(tenant).holds:
        return 0
    chunks = -(-service.fair.ready(tenant) // service.definition.chunk_size)
    return chunks * service.definition.slots_per_event


def _needed_by_all(service: Service, enough: int) -> int:
    needed = 0
    for share in service.fair.runnable():
        needed += min(_needed_by(service, share.tenant), _room_of(service, share.tenant))
        if needed >= enough:
            break
    return needed


def _kept_empty(service: Service) -> int:
    """Slots that wait for their class of work, so that others must not take them."""
    empty = sum(max(0, each.kept - each.filled) for each in service.fair.classes())
    return empty * service.definition.slots_per_event


def _room(service: Service) -> int:
    return max(0, service.slots.room) * service.definition.slots_per_event


def _room_of(service: Service, tenant: str) -> int:
    share = service.fair.standing(tenant)
    return service.fair.terms(tenant).cap - (0 if share is None else share.slots)
