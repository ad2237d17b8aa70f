"""Sagas that are started by schedules: each run is a saga, whose id is that of its job."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from runtime.core.schedule import RUN_ID, Overlap, Schedule
from runtime.http.requests import BY_HTTP, MAX_REASON, Person
from sagas.coordinator import SAGAS
from sagas.messages import Begin

BEGIN = Begin.__name__


class SagaScheduleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a schedule that starts a saga is to be; see `runtime.core.schedule.Schedule`."""

    cron: str
    saga: str
    input: Any = None
    timezone: str = "UTC"
    overlap: Overlap = "skip"
    catch_up_seconds: float | None = None
    by: Person = BY_HTTP
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] | None = None

    def schedule(self, tenant: str, name: str) -> Schedule:
        return Schedule(
            tenant=tenant,
            name=name,
            cron=self.cron,
            timezone=self.timezone,
            service=SAGAS,
            type=BEGIN,
            payload=msgspec.Raw(msgspec.json.encode(begin_by(name, self.saga, self.input))),
            key=RUN_ID,
            overlap=self.overlap,
            catch_up_seconds=self.catch_up_seconds,
        )


def begin_by(schedule: str, saga: str, given: Any) -> Begin:
    """What starts a saga at each moment of a schedule, with the version that is current then."""
    return Begin(saga, given, by=f"schedule:{schedule}")


def begun_by(schedule: Schedule) -> Begin | None:
    """What a schedule starts a saga with; None for one that does something else."""
    if schedule.service != SAGAS or schedule.type != BEGIN:
        return None
    try:
        return msgspec.json.decode(bytes(schedule.payload), type=Begin)
    except msgspec.DecodeError:
        return None
