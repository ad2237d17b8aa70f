"""The JSON of schedules that HTTP and the command line show."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.core.schedule import Overlap
from runtime.store.schedules import Source, StoredSchedule
from runtime.views import Time, utc


class ScheduleJson(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule and where it stands; see `runtime.core.schedule.Schedule`.

    `next_at` is null while it is paused. `waiting_at` is a moment that has come and has not run, and `held` why;
    `note` says why the newest of those that were skipped or missed did not run. `job` is the newest run.
    """

    tenant: str
    name: str
    cron: str
    timezone: str
    service: str
    type: str | None
    payload: msgspec.Raw
    key: str | None
    overlap: Overlap
    catch_up_seconds: float | None
    source: Source
    paused: bool
    next_at: Time | None
    waiting_at: Time | None
    held: str | None
    ran_at: Time | None
    job: UUID | None
    runs: int
    skipped: int
    missed: int
    note: str | None
    noted_at: Time | None
    changed_at: Time
    changed_by: str


class SchedulesJson(msgspec.Struct, frozen=True):
    """By tenant and name. `next` is what `after` must be for the page that follows, or null on the last one."""

    schedules: list[ScheduleJson]
    next: str | None


class MomentsJson(msgspec.Struct, frozen=True):
    """The next moments of a schedule, whether it is paused or not."""

    moments: list[Time]


def schedule_json(stored: StoredSchedule) -> ScheduleJson:
    schedule, standing = stored.schedule, stored.standing
    facts = {**msgspec.structs.asdict(schedule), **msgspec.structs.asdict(standing)}
    facts = {name: value for name, value in facts.items() if name in ScheduleJson.__struct_fields__}
    moments = {name: value if value is None else utc(value) for name, value in facts.items() if name.endswith("_at")}
    return ScheduleJson(**{**facts, **moments}, source=stored.source, changed_at=utc(stored.at), changed_by=stored.by)


def schedules_json(page: list[StoredSchedule], limit: int) -> SchedulesJson:
    return SchedulesJson(
        [schedule_json(stored) for stored in page], "/".join(page[-1].address) if len(page) == limit else None
    )
