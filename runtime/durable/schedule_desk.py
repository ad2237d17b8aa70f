"""Schedules for people, and those that the app's code declares."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from itertools import islice
from uuid import UUID

import msgspec

from actors.context import Clock
from actors.errors import SpecError
from runtime.core.schedule import Schedule, require_schedule
from runtime.core.schedule_standing import Standing, begun, paused, restated, resumed
from runtime.durable.admission import Admission, require_name
from runtime.durable.dead_letter_office import MAX_REASON_CHARACTERS
from runtime.errors import ConflictError, InvalidInputError, NotFoundError, UnknownServiceError
from runtime.operations import MAX_PAGE
from runtime.store.audit import AuditEntry
from runtime.store.schedules import Address, ScheduleChange, ScheduleFilter, ScheduleStore, Source, StoredSchedule

ANY_RUN = UUID(int=0)
"""Stands for the run in a key that is looked at before there is any."""

Known = StoredSchedule | None
Decide = Callable[[Known], Known]
Step = tuple[Address, Decide, AuditEntry]
"""A change: of which schedule, to what, and what the audit says of it."""
MAX_STEPS = 500
"""How many changes go into one transaction."""


class ScheduleDesk:
    """See `runtime.schedule_operations.ScheduleOperations`. `most` is how many schedules a tenant may have."""

    def __init__(self, store: ScheduleStore, admission: Admission, clock: Clock, *, most: int) -> None:
        self._store = store
        self._admission = admission
        self._clock = clock
        self.most = most

    async def schedules(self, which: ScheduleFilter) -> list[StoredSchedule]:
        _require_limit(which.limit)
        return await self._store.page(which)

    async def schedule(self, tenant: str, name: str) -> StoredSchedule:
        return _required(await self._store.find(tenant, name), (tenant, name))

    async def moments(self, tenant: str, name: str, limit: int) -> list[float]:
        _require_limit(limit)
        schedule = (await self.schedule(tenant, name)).schedule
        try:
            return list(islice(schedule.moments.moments(self._clock.now()), limit))
        except SpecError as error:
            raise _invalid(error) from None

    async def put(self, schedule: Schedule, *, by: str, reason: str | None = None) -> StoredSchedule:
        checked = self.checked(schedule)

        def decide(known: Known) -> StoredSchedule:
            _require_peoples(known)
            return self.set_anew(known, checked, source="people", by=by)

        address = schedule.tenant, schedule.name
        said = _described(schedule)
        audit = self._audit("set_schedule", address, by, said if reason is None else f"{said} ({reason})", reason)
        return _required(await self._change(address, decide, audit), address)

    async def pause(self, tenant: str, name: str, *, by: str, reason: str | None = None) -> StoredSchedule:
        audit = self._audit("pause_schedule", (tenant, name), by, reason, reason)
        return await self._restand((tenant, name), by, lambda known, _now: paused(known.standing), audit)

    async def resume(self, tenant: str, name: str, *, by: str, reason: str | None = None) -> StoredSchedule:
        def decide(known: StoredSchedule, now: float) -> Standing:
            if not known.standing.paused:
                return known.standing
            try:
                return resumed(known.standing, known.schedule.moments, now)
            except SpecError as error:
                raise _invalid(error) from None

        return await self._restand(
            (tenant, name), by, decide, self._audit("resume_schedule", (tenant, name), by, reason, reason)
        )

    async def delete(self, tenant: str, name: str, *, by: str, reason: str | None = None) -> StoredSchedule:
        deleted: list[StoredSchedule] = []

        def decide(known: Known) -> None:
            _require_peoples(known)
            deleted[:] = [_required(known, (tenant, name))]

        await self._change((tenant, name), decide, self._audit("delete_schedule", (tenant, name), by, reason, reason))
        return deleted[0]

    def checked(self, schedule: Schedule) -> Schedule:
        """A schedule with its message named. Raises InvalidInputError with the field that is wrong."""
        try:
            require_schedule(schedule)
            event = self._admission.json_event(
                schedule.service,
                bytes(schedule.payload),
                tenant=schedule.tenant,
                key=schedule.key_of(0.0, ANY_RUN),
                type_name=schedule.type,
                by="schedule",
            )
        except SpecError as error:
            raise _invalid(error) from None
        except UnknownServiceError as error:
            raise InvalidInputError("service", str(error)) from None
        return msgspec.structs.replace(schedule, type=event.type)

    def set_anew(self, known: Known, schedule: Schedule, *, source: Source, by: str) -> StoredSchedule:
        """What a schedule becomes that is added, or set anew."""
        now = self._clock.now()
        return StoredSchedule(
            schedule=schedule,
            source=source,
            standing=begun(schedule.moments, now) if known is None else _restated(known, schedule, now),
            revision=0,
            at=now,
            by=by,
        )

    async def declare(self, schedules: Collection[Schedule], *, by: str) -> None:
        """Have the schedules that the app's code declares, and none that it declared before and does not any more.

        Raises:
            InvalidInputError, ConflictError: as `put`.
        """
        wanted = {(each.tenant, each.name): self.checked(each) for each in schedules}
        declared = {stored.address: stored async for stored in self._declared()}
        steps: list[Step] = [
            (address, _peoples, self._audit("delete_schedule", address, by, "not declared any more", None))
            for address in declared.keys() - wanted
        ]
        steps += [
            (
                address,
                _declaring(self, schedule, by),
                self._audit("set_schedule", address, by, _described(schedule), None),
            )
            for address, schedule in wanted.items()
            if address not in declared or declared[address].schedule != schedule
        ]
        for start in range(0, len(steps), MAX_STEPS):
            await self._take(steps[start : start + MAX_STEPS], declared)

    async def _take(self, steps: Sequence[Step], known: Mapping[Address, StoredSchedule]) -> None:
        """Take steps at once; where a schedule is not as it was known to be, one after another."""
        changes = [_changing(address, known.get(address), decide) for address, decide, _ in steps]
        try:
            await self._store.change(changes, [audit for _, _, audit in steps], self.most)
        except ConflictError:
            for step in steps:
                await self._change(*step)

    async def _declared(self) -> AsyncIterator[StoredSchedule]:
        after: Address | None = ("", "")
        while after is not None:
            page = await self._store.page(ScheduleFilter(source="app", limit=MAX_PAGE, after=after))
            for stored in page:
                yield stored
            after = page[-1].address if len(page) == MAX_PAGE else None

    async def _restand(
        self, address: Address, by: str, decide: Callable[[StoredSchedule, float], Standing], audit: AuditEntry
    ) -> StoredSchedule:
        def restood(known: Known) -> StoredSchedule:
            stored, now = _required(known, address), self._clock.now()
            return msgspec.structs.replace(stored, standing=decide(stored, now), at=now, by=by)

        return _required(await self._change(address, restood, audit), address)

    async def _change(self, address: Address, decide: Decide, audit: AuditEntry) -> Known:
        """Make a change, decided anew whenever another one, or a run, was faster."""
        while True:
            known = await self._store.find(*address)
            change = _changing(address, known, decide)
            if known is change.becomes is None:
                return None
            try:
                await self._store.change([change], [audit], self.most)
            except ConflictError:
                if _revision(await self._store.find(*address)) == change.was:
                    raise
            else:
                return change.becomes

    def _audit(self, action: str, address: Address, by: str, detail: str | None, reason: str | None) -> AuditEntry:
        require_name("by", by)
        if reason is not None:
            require_name("reason", reason, MAX_REASON_CHARACTERS)
        return AuditEntry(action=action, by=by, at=self._clock.now(), target="/".join(address), detail=detail)


def _revision(known: Known) -> int:
    return 0 if known is None else known.revision


def _changing(address: Address, known: Known, decide: Decide) -> ScheduleChange:
    return ScheduleChange(address, _revision(known), decide(known))


def _peoples(known: Known) -> Known:
    """What stays of a schedule that the code declared: it is people's by now, or goes."""
    return known if known is not None and known.source == "people" else None


def _declaring(desk: ScheduleDesk, schedule: Schedule, by: str) -> Decide:
    return lambda known: desk.set_anew(known, schedule, source="app", by=by)


def _restated(known: StoredSchedule, schedule: Schedule, now: float) -> Standing:
    try:
        return restated(known.standing, known.schedule.moments, schedule.moments, now)
    except SpecError:  # this machine does not know the time zone that it had
        return resumed(known.standing, schedule.moments, now)


def _required(known: Known, address: Address) -> StoredSchedule:
    if known is None:
        raise NotFoundError(f"{address[0]} has no schedule {address[1]!r}")
    return known


def _require_peoples(known: Known) -> None:
    if known is not None and known.source == "app":
        name = known.schedule.name
        raise ConflictError(f"the app's code declares the schedule {name}: change it there, or pause it here")


def _require_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInputError("limit", f"must be between 1 and {MAX_PAGE}, not {limit}")


def _invalid(error: SpecError) -> InvalidInputError:
    return InvalidInputError(error.field, str(error).removeprefix(f"{error.field}: "))


def _described(schedule: Schedule) -> str:
    return f"{schedule.cron} in {schedule.timezone} to {schedule.service}"
