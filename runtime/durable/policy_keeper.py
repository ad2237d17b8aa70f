"""Keeps what people set in force: at once in the process in which it is set, within a second in the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

import msgspec

from actors.context import Clock
from actors.errors import SpecError
from runtime.core.caps import APP, Caps, of_tenant
from runtime.core.daily_quota import HOURS, hour_of
from runtime.core.limit_checks import Now
from runtime.core.limits import Limits
from runtime.core.policy import EVERYTHING, FIELDS, Policy, Scope, require_policy, require_slots_to_keep
from runtime.core.policy_book import PolicyBook
from runtime.core.portions import Limit
from runtime.core.slot_account import NO_CAP, SlotAccount
from runtime.core.slot_pool import SlotPool
from runtime.core.work_classes import WORK_CLASSES
from runtime.definition import require_fitting
from runtime.durable.gate import Gate
from runtime.durable.outbox import posted_of
from runtime.durable.service import Service
from runtime.errors import InvalidInputError, NotFoundError, StoreUnavailableError
from runtime.store.audit import AuditEntry
from runtime.store.policies import Bundle, PolicyChange, PolicyRecord, PolicyStore, described
from runtime.store.records import Event
from runtime.store.schedules import ScheduleChange

LOGGER = logging.getLogger("postroom.policies")

POLL_SECONDS = 1.0
"""How soon what another process set is in force here, and what it let in counts here."""


class PolicyKeeper:
    """The part `policies`."""

    def __init__(
        self,
        store: PolicyStore,
        book: PolicyBook,
        limits: Limits,
        caps: Caps,
        gate: Gate,
        services: Mapping[str, Service],
        clock: Clock,
    ) -> None:
        self._store = store
        self._book = book
        self._limits = limits
        self._caps = caps
        self._gate = gate
        self._services = services
        self._clock = clock
        self._version = -1
        self.pool = SlotPool()
        """The slots of the app in this process."""
        self.accounts: dict[str, SlotAccount] = {}
        """Those of tenants over all services in this process."""
        self._records: dict[Scope, PolicyRecord] = {}

    async def open(self) -> None:
        """Read what is set, before anything runs. Raises StoreError."""
        await self._load()

    def detail(self) -> str | None:
        """What people are told of the slots of the app, where those are counted."""
        if self.pool.cap == NO_CAP:
            return None
        classes = "".join(f"; {each}" for each in self.pool.classes())
        return f"{self.pool.filled:,} of {self.pool.cap:,} slots of the app in use{classes}"

    async def run(self) -> None:
        """Follow the other processes, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.follow()
            except StoreUnavailableError as error:
                LOGGER.debug("policies are read later: %s", error)

    async def follow(self) -> None:
        """Do what is done every second."""
        services = self._services.values()
        changed = [
            each.usage.observe(each.fair, each.slots.limit * each.definition.slots_per_event, self._clock)
            for each in services
        ]
        if any(changed):
            self._apply()
        if await self._store.version() != self._version:
            await self._load()
        if self._limits.active:
            await self.save_usage()
            await self._gate.recount()

    async def save_usage(self) -> None:
        """Write down what tenants used of their quotas, and learn what they used elsewhere."""
        days = self._limits.days
        since = hour_of(self._clock.now()) - HOURS
        unsaved = {tenant: day.take_unsaved() for tenant, day in days.items()}
        try:
            known = await self._store.count_usage(unsaved, since)
        except StoreUnavailableError:
            for tenant, hours in unsaved.items():
                days[tenant].give_back(hours)
            raise
        for tenant, saved in known.items():
            days[tenant].learn(saved)
        await self._store.forget_usage(since)
        self._throttle()

    async def change(
        self, scope: Scope, changes: Policy, reset: Collection[str] = (), *, by: str, reason: str | None = None
    ) -> PolicyRecord:
        """Set and reset settings of a scope, as a new version, and apply them to what waits already.

        Raises:
            InvalidInputError: names the setting that is out of range, or means nothing for the scope.
        """
        unknown = sorted(set(reset) - set(FIELDS))
        if unknown:
            raise InvalidInputError("reset", f"{unknown[0]!r} is no setting; there are {', '.join(FIELDS)}")
        if scope.service is not None and scope.service not in self._services:
            known = ", ".join(sorted(self._services)) or "none"
            raise InvalidInputError("service", f"no service is named {scope.service!r}; this app has: {known}")
        try:
            require_policy(scope, changes)
            if scope.service is not None:
                require_fitting(self._services[scope.service].definition, changes)
            if scope == EVERYTHING:
                require_slots_to_keep(changes.over(self._without(scope, reset)))
        except SpecError as error:
            raise InvalidInputError(error.field, str(error).removeprefix(f"{error.field}: ")) from None
        now = self._clock.now()
        change = PolicyChange(scope, changes, tuple(reset))
        record = await self._store.change(change, by=by, at=now, reason=reason)
        LOGGER.info("%s: %s by %s%s", scope, described(change), by, f" ({reason})" if reason else "")
        await self._load()
        return record

    async def restore(self, version: int, *, by: str, reason: str | None = None) -> PolicyRecord:
        """Set what one version of a scope set, and nothing else, as a new version.

        Raises:
            NotFoundError: there is no such version.
            InvalidInputError: it names a service that this app has no more.
        """
        found = await self._store.find(version)
        if found is None:
            raise NotFoundError(f"no version {version} of any limits; see the history of a tenant or a service")
        return await self.change(
            found.scope, found.policy, FIELDS, by=by, reason=reason or f"version {version} restored"
        )

    async def take_in(
        self,
        changes: Sequence[PolicyChange],
        events: Sequence[Event],
        audits: Sequence[AuditEntry],
        schedules: Sequence[ScheduleChange],
        *,
        by: str,
        reason: str,
        max_schedules: int,
    ) -> None:
        """Change settings and schedules that were checked, accept events, note it in the audit: all of it or nothing.

        Raises:
            ConflictError: a schedule has changed meanwhile, or a tenant would have more than `max_schedules`.
            CommitUnknownError: the connection was lost meanwhile, and it may have been done.
            StoreUnavailableError: nothing was done.
        """
        posted = [posted_of(event, 0.0) for event in events]
        now = self._clock.now()
        await self._store.take_in(
            Bundle(
                changes=list(changes),
                posted=posted,
                audits=list(audits),
                by=by,
                at=now,
                reason=reason,
                schedules=list(schedules),
                max_schedules=max_schedules,
            )
        )
        await self._load()

    def live(self, scope: Scope) -> PolicyRecord | None:
        """The newest version of what people set for exactly that scope."""
        return self._records.get(scope)

    async def history(self, scope: Scope, limit: int) -> list[PolicyRecord]:
        return await self._store.history(scope, limit)

    def apply_parts(self, changed: Collection[Limit] | None) -> None:
        """Have this process's parts of limits in force; None if all may have changed."""
        now = self._clock.monotonic()
        if changed is None:
            self._limits.share_rates(now)
            self._apply()
            return
        self._limits.share_rates(now, [limit.scope for limit in changed if limit.kind == "rate"])
        for limit in changed:
            if limit.kind == "slots":
                self._apply_cap(limit)

    async def _load(self) -> None:
        version = await self._store.version()
        self._records = {record.scope: record for record in await self._store.current()}
        self._version = version
        self._book.set_live({scope: record.policy for scope, record in self._records.items()})
        self._limits.refresh()
        self._apply()

    def _throttle(self) -> None:
        now = Now(self._clock.monotonic(), self._clock.now())
        overdrawn = self._limits.overdrawn(now)
        if overdrawn != self._book.throttled:
            for tenant in sorted(overdrawn ^ self._book.throttled):
                LOGGER.warning("tenant %s is %s", tenant, "throttled" if tenant in overdrawn else "throttled no more")
            self._book.throttled = overdrawn
            self._apply()

    def _apply(self) -> None:
        slots = self._caps.here(APP)
        self._set_pool(slots)
        self._open_accounts()
        for service in self._services.values():
            service.slots.join(None if slots is None else self.pool)
            service.apply(self._book, self.accounts)

    def _apply_cap(self, limit: Limit) -> None:
        here = self._caps.here(limit)
        cap = NO_CAP if here is None else here
        if limit.service is None:
            if limit.tenant is None:
                self._set_pool(here)
            elif limit.tenant in self.accounts:
                self.accounts[limit.tenant].set_cap(cap)
        elif (service := self._services.get(limit.service)) is not None:
            if limit.tenant is None:
                service.limit_slots(self._book)
            else:
                service.terms.apply_to(limit.tenant, service.fair, self._book, service.usage.caps)
            service.pump()

    def _without(self, scope: Scope, reset: Collection[str]) -> Policy:
        base = self._book.base(scope)
        return msgspec.structs.replace(self._book.at(scope), **{name: getattr(base, name) for name in reset})

    def _set_pool(self, slots: int | None) -> None:
        costs = [0] * len(WORK_CLASSES)
        for definition in (service.definition for service in self._services.values()):
            place = WORK_CLASSES.index(definition.work_class)
            costs[place] = max(costs[place], definition.slots_per_event)
        self.pool.set_terms(NO_CAP if slots is None else slots, self._book.at(EVERYTHING).guarantees or {}, costs)

    def _open_accounts(self) -> None:
        """An account for each tenant that may fill so many slots over all services."""
        for tenant in self._book.tenants():
            cap = self._caps.here(of_tenant(tenant))
            if tenant in self.accounts:
                self.accounts[tenant].set_cap(NO_CAP if cap is None else cap)
            elif cap is not None:
                self.accounts[tenant] = SlotAccount(tenant, cap)
