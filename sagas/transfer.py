"""What travels with sagas from one app to another, and what an import of it changes.

export: definitions, what they need of services, those services' limits, their schedules -> a container
import: checked -> compared with what is here -> told, or written: all of it in one transaction, with its audit
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import msgspec

from actors.errors import SpecError
from runtime import Running, ServiceDefinition
from runtime.core.policy import FIELDS, NOTHING_SET, Policy, Scope, require_policy
from runtime.definition import require_fitting
from runtime.errors import ConflictError
from runtime.store.audit import AuditEntry
from runtime.store.policies import PolicyChange, described
from runtime.store.schedules import ScheduleChange
from sagas.catalog import Catalog
from sagas.container import (
    OF_OPERATORS,
    Change,
    Container,
    Difference,
    Imported,
    Limit,
    LimitChange,
    PlannedChange,
    needs_of,
    pack,
    require_services,
    require_whole,
    settings_of,
)
from sagas.definition import Definition, encode
from sagas.errors import DefinitionError
from sagas.library import LIBRARY, SYSTEM, checksum_of
from sagas.messages import Publish
from sagas.plan import Plan
from sagas.planning import Planning

MAX_TRIES = 5
"""How often an import is written anew as its schedules ran meanwhile."""


class Transfer:
    """Between the sagas of a running app and containers."""

    def __init__(self, catalog: Catalog, services: Mapping[str, ServiceDefinition], running: Running) -> None:
        self._catalog = catalog
        self._services = services
        self._running = running
        self._planning = Planning(catalog, running)

    async def export(self, saga: str) -> Container:
        """A saga's current version with all that it needs. Raises NotFoundError."""
        definitions = await self._catalog.with_inner(saga)
        needs = needs_of(definitions, self._services)
        schedules = await self._planning.of({each.name for each in definitions}, needs)
        return pack(definitions, needs, self._limits(), schedules)

    async def take_in(self, container: Container, *, by: str, apply: bool, edited: bool) -> Imported:
        """Make this app's sagas, limits and schedules those of a container, or tell what that would change.

        Raises:
            DefinitionError: something in it cannot be in this app, or the checksum is wrong and `edited` is not set.
            ConflictError: a schedule changed meanwhile, or a tenant would have too many; nothing was changed.
        """
        require_services(container, self._services)
        self._require_limits(container)
        plans = self._catalog.check_all(container.sagas)
        self._planning.require(container)
        if not edited:
            require_whole(container)
        changes = [await self._change_of(plan.definition) for plan in plans]
        limits = [change for limit in container.limits if (change := self._limit_change(limit)) is not None]
        schedules = await self._planning.changes(container, by=by)
        if apply:
            schedules = await self._apply(container, plans, changes, limits, by=by)
        told = [each for limit in limits for each in self._told(limit)]
        return Imported(changes, told, [told for told, _ in schedules], self._differences(container), apply)

    async def _apply(
        self,
        container: Container,
        plans: list[Plan],
        changes: list[Change],
        limits: list[PolicyChange],
        *,
        by: str,
    ) -> list[tuple[PlannedChange, ScheduleChange | None]]:
        """Write all of it; return what became of the schedules, which may run, and so change, until then."""
        for tries in range(MAX_TRIES):
            schedules = await self._planning.changes(container, by=by)
            planned = [change for _, change in schedules if change is not None]
            try:
                await self._write(plans, changes, limits, planned, by=by)
                break
            except ConflictError:
                if tries == MAX_TRIES - 1:
                    raise
        await self._catalog.adopt(plans)
        return schedules

    async def _write(
        self,
        plans: list[Plan],
        changes: list[Change],
        limits: list[PolicyChange],
        schedules: list[ScheduleChange],
        *,
        by: str,
    ) -> None:
        now = self._running.clock.now()
        new = [each for each, change in zip(plans, changes, strict=True) if change.change != "none"]
        events = [
            self._running.admission.event(
                LIBRARY, Publish(plan.definition, by), tenant=SYSTEM, key=plan.definition.name, by=by
            )
            for plan in new
        ]
        audits = [
            AuditEntry(action="import", by=by, at=now, target=f"saga {each.saga}", detail=f"version {each.version}")
            for each in changes
            if each.change != "none"
        ]
        audits += [
            AuditEntry(action="import", by=by, at=now, target=f"limits of {each.scope}", detail=described(each))
            for each in limits
        ]
        audits += [
            AuditEntry(action="import", by=by, at=now, target=f"schedule {'/'.join(each.address)}")
            for each in schedules
        ]
        if audits:
            most = self._running.settings.max_schedules
            await self._running.policies.take_in(
                limits, events, audits, schedules, by=by, reason="import", max_schedules=most
            )

    def _limits(self) -> dict[Scope, Policy]:
        return {each: self._running.book.at(each) for each in self._running.book.scopes()}

    def _require_limits(self, container: Container) -> None:
        for number, limit in enumerate(container.limits):
            place = f"limits[{number}]"
            if limit.service not in container.services:
                raise DefinitionError("", f"{place}.service", f"{limit.service!r} is no service that the sagas need")
            if limit.settings.state is not None:
                raise DefinitionError("", f"{place}.settings.state", "is for operators, and does not travel")
            try:
                require_policy(limit.scope, limit.settings)
                require_fitting(self._services[limit.service], limit.settings)
            except SpecError as error:
                problem = str(error).removeprefix(f"{error.field}: ")
                raise DefinitionError("", f"{place}.settings.{error.field}", problem) from None

    async def _change_of(self, definition: Definition) -> Change:
        shelf = await self._catalog.shelf_or_none(definition.name)
        same = shelf.having(checksum_of(definition))
        if same is not None:
            return Change(definition.name, "none", same.number)
        current = shelf.version(shelf.current)
        before = [] if current is None else _lines(current.definition)
        titles = f"{definition.name} here", f"{definition.name} imported"
        lines = list(difflib.unified_diff(before, _lines(definition), *titles, lineterm="")) if before else []
        return Change(definition.name, "changed" if before else "new", len(shelf.versions) + 1, lines)

    def _limit_change(self, limit: Limit) -> PolicyChange | None:
        """What makes the limits of a scope those of a container; what the app's code or file sets can be laid over."""
        here, there = self._running.book.at(limit.scope), limit.settings
        live = self._running.policies.live(limit.scope)
        set_here = NOTHING_SET if live is None else live.policy
        values = {
            name: getattr(there, name)
            for name in FIELDS
            if getattr(there, name) is not None and getattr(there, name) != getattr(here, name)
        }
        reset = tuple(
            name
            for name in FIELDS
            if name not in OF_OPERATORS and getattr(there, name) is None and getattr(set_here, name) is not None
        )
        return PolicyChange(limit.scope, Policy(**values), reset) if values or reset else None

    def _told(self, change: PolicyChange) -> list[LimitChange]:
        here = self._running.book.at(change.scope)
        names = [name for name in FIELDS if getattr(change.changes, name) is not None or name in change.reset]
        scope = change.scope
        return [
            LimitChange(scope.service or "", scope.tenant, name, getattr(here, name), getattr(change.changes, name))
            for name in names
        ]

    def _differences(self, container: Container) -> list[Difference]:
        """How the services here are declared otherwise: that is for their code to say."""
        found = []
        for service, need in container.services.items():
            if need.settings is None:
                continue
            here, there = settings_of(self._services[service]), need.settings
            names = [name for name in there.__struct_fields__ if getattr(here, name) != getattr(there, name)]
            found += [Difference(service, name, getattr(here, name), getattr(there, name)) for name in names]
        return found


def _lines(definition: Definition) -> list[str]:
    return msgspec.json.format(encode(definition), indent=2).decode().splitlines()
