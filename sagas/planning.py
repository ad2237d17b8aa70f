"""The schedules that travel with sagas: which they are, what is wrong with those of a container, what they change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

import msgspec

from runtime import Running
from runtime.core.schedule_standing import paused
from runtime.errors import InvalidInputError
from runtime.operations import MAX_PAGE
from runtime.store.schedules import Address, ScheduleChange, ScheduleFilter, StoredSchedule
from sagas.catalog import Catalog
from sagas.container import (
    MAX_SCHEDULES,
    WITHOUT_SCHEDULES,
    Container,
    Planned,
    PlannedChange,
    SettingChange,
    planned_of,
)
from sagas.coordinator import SAGAS
from sagas.errors import DefinitionError, SagaError
from sagas.scheduling import begun_by

SETTINGS = [name for name in Planned.__struct_fields__ if name not in {"tenant", "name", "paused"}]


class Planning:
    """Of the schedules of a running app."""

    def __init__(self, catalog: Catalog, running: Running) -> None:
        self._catalog = catalog
        self._desk = running.schedule_desk
        self._store = running.store.schedules

    async def of(self, sagas: Collection[str], services: Collection[str]) -> list[StoredSchedule]:
        """The schedules that start sagas, or bring events to services. Raises SagaError for very many."""
        found = [each for service in sorted({*services, SAGAS}) async for each in self._of(service)]
        kept = [each for each in found if each.schedule.service in services or _saga(each) in sagas]
        if len(kept) > MAX_SCHEDULES:
            raise SagaError(f"{len(kept):,} schedules belong to it; a container has room for {MAX_SCHEDULES:,}")
        return sorted(kept, key=lambda each: each.address)

    def require(self, container: Container) -> None:
        """Raises DefinitionError with the place in a container."""
        if container.schedules and container.format_version <= WITHOUT_SCHEDULES:
            told = f"are unknown in version {container.format_version} of the format"
            raise DefinitionError("", "schedules", told)
        seen: set[Address] = set()
        for number, planned in enumerate(container.schedules):
            place, address = f"schedules[{number}]", (planned.tenant, planned.name)
            if address in seen:
                raise DefinitionError("", f"{place}.name", f"{planned.tenant} has another schedule {planned.name!r}")
            seen.add(address)
            try:
                self._require(container, planned)
            except InvalidInputError as error:
                raise DefinitionError("", f"{place}.{error.field}", error.problem) from None

    async def changes(self, container: Container, *, by: str) -> list[tuple[PlannedChange, ScheduleChange | None]]:
        """What a container changes: what is told of each schedule, and how it is done, if anything is."""
        return [await self._change(planned, by) for planned in container.schedules]

    def _require(self, container: Container, planned: Planned) -> None:
        schedule = self._desk.checked(planned.schedule)
        begun = begun_by(schedule)
        if begun is None:
            if planned.service not in container.services:
                raise InvalidInputError("service", f"{planned.service!r} is no service that the sagas need")
            return
        if begun.saga not in {saga.name for saga in container.sagas}:
            raise InvalidInputError("payload.saga", f"{begun.saga!r} is no saga of the container")
        try:
            self._catalog.require_input(begun.saga, begun.input)
        except InvalidInputError as error:
            raise InvalidInputError(f"payload.{error.field}", error.problem) from None

    async def _change(self, planned: Planned, by: str) -> tuple[PlannedChange, ScheduleChange | None]:
        address = planned.tenant, planned.name
        known = await self._store.find(*address)
        settings = _differences(known, planned)
        if known is not None and not settings:
            return PlannedChange(*address, "none", []), None
        if known is not None and known.source == "app":
            return PlannedChange(*address, "kept", settings), None
        becomes = self._desk.set_anew(known, self._desk.checked(planned.schedule), source="people", by=by)
        arrives_paused = known is None and planned.paused
        if arrives_paused:
            becomes = msgspec.structs.replace(becomes, standing=paused(becomes.standing))
        told = PlannedChange(*address, "new" if known is None else "changed", settings, arrives_paused)
        return told, ScheduleChange(address, 0 if known is None else known.revision, becomes)

    async def _of(self, service: str) -> AsyncIterator[StoredSchedule]:
        after: Address | None = ("", "")
        while after is not None:
            page = await self._store.page(ScheduleFilter(service=service, limit=MAX_PAGE, after=after))
            for stored in page:
                yield stored
            after = page[-1].address if len(page) == MAX_PAGE else None


def _saga(stored: StoredSchedule) -> str | None:
    begun = begun_by(stored.schedule)
    return None if begun is None else begun.saga


def _differences(known: StoredSchedule | None, planned: Planned) -> list[SettingChange]:
    here = None if known is None else planned_of(known)
    pairs: list[tuple[str, Any, Any]] = [
        (name, None if here is None else getattr(here, name), getattr(planned, name)) for name in SETTINGS
    ]
    return [SettingChange(name, before, after) for name, before, after in pairs if before != after]
