"""The routes of schedules."""

from __future__ import annotations

from typing import Annotated

import msgspec

from runtime.core.schedule import Overlap, Schedule
from runtime.http.requests import BY_HTTP, MAX_REASON, Name, Person
from runtime.http.route import Call, Route
from runtime.operations import MAX_PAGE
from runtime.schedule_views import MomentsJson, ScheduleJson, SchedulesJson, schedule_json, schedules_json
from runtime.store.schedules import ScheduleFilter
from runtime.views import utc

Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]
Reason = Annotated[str, msgspec.Meta(max_length=MAX_REASON)]
ALL = "/v1/schedules"
ONE = f"{ALL}/{{tenant}}/{{name}}"


class SchedulesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which schedules to list; `after` is what the page before named as the next one."""

    tenant: Name | None = None
    service: Name | None = None
    limit: Limit = 50
    after: Name | None = None

    def filter(self) -> ScheduleFilter:
        tenant, _, name = (self.after or "").rpartition("/")
        return ScheduleFilter(tenant=self.tenant, service=self.service, limit=self.limit, after=(tenant, name))


class MomentsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 5


class WhyQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    by: Person = BY_HTTP
    reason: Reason | None = None


class WhyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    by: Person = BY_HTTP
    reason: Reason | None = None


class ScheduleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a schedule is to be; see `runtime.core.schedule.Schedule`. `type` is for services that take several."""

    cron: str
    service: str
    payload: msgspec.Raw
    type: str | None = None
    timezone: str = "UTC"
    key: str | None = None
    overlap: Overlap = "skip"
    catch_up_seconds: float | None = None
    by: Person = BY_HTTP
    reason: Reason | None = None

    def schedule(self, tenant: str, name: str) -> Schedule:
        return Schedule(
            tenant=tenant,
            name=name,
            cron=self.cron,
            timezone=self.timezone,
            service=self.service,
            type=self.type,
            payload=self.payload.copy(),
            key=self.key,
            overlap=self.overlap,
            catch_up_seconds=self.catch_up_seconds,
        )


async def list_schedules(call: Call) -> tuple[int, SchedulesJson]:
    query: SchedulesQuery = call.query
    return 200, schedules_json(await call.operations.schedules.schedules(query.filter()), query.limit)


async def show_schedule(call: Call) -> tuple[int, ScheduleJson]:
    return 200, schedule_json(await call.operations.schedules.schedule(**call.path))


async def put_schedule(call: Call) -> tuple[int, ScheduleJson]:
    body: ScheduleBody = call.body
    stored = await call.operations.schedules.put(body.schedule(**call.path), by=body.by, reason=body.reason)
    return 200, schedule_json(stored)


async def delete_schedule(call: Call) -> tuple[int, ScheduleJson]:
    query: WhyQuery = call.query
    return 200, schedule_json(await call.operations.schedules.delete(**call.path, by=query.by, reason=query.reason))


async def pause_schedule(call: Call) -> tuple[int, ScheduleJson]:
    body: WhyBody = call.body
    return 200, schedule_json(await call.operations.schedules.pause(**call.path, by=body.by, reason=body.reason))


async def resume_schedule(call: Call) -> tuple[int, ScheduleJson]:
    body: WhyBody = call.body
    return 200, schedule_json(await call.operations.schedules.resume(**call.path, by=body.by, reason=body.reason))


async def show_moments(call: Call) -> tuple[int, MomentsJson]:
    query: MomentsQuery = call.query
    found = await call.operations.schedules.moments(**call.path, limit=query.limit)
    return 200, MomentsJson([utc(moment) for moment in found])


SCHEDULE_ROUTES = (
    Route(
        method="GET",
        path=ALL,
        summary="A page of schedules, by tenant and name",
        handle=list_schedules,
        answers={200: SchedulesJson},
        query=SchedulesQuery,
        errors=(503,),
    ),
    Route(
        method="GET",
        path=ONE,
        summary="One schedule: its next moment, its newest run, what waits and why",
        handle=show_schedule,
        answers={200: ScheduleJson},
        errors=(404, 503),
    ),
    Route(
        method="PUT",
        path=ONE,
        summary="Add a schedule, or set one anew",
        handle=put_schedule,
        answers={200: ScheduleJson},
        body=ScheduleBody,
        errors=(409, 413, 422, 503),
    ),
    Route(
        method="DELETE",
        path=ONE,
        summary="Delete a schedule; runs that it brought go on",
        handle=delete_schedule,
        answers={200: ScheduleJson},
        query=WhyQuery,
        errors=(404, 409, 503),
    ),
    Route(
        method="POST",
        path=f"{ONE}/pause",
        summary="Have no more moments of a schedule come",
        handle=pause_schedule,
        answers={200: ScheduleJson},
        body=WhyBody,
        errors=(404, 503),
    ),
    Route(
        method="POST",
        path=f"{ONE}/resume",
        summary="Have moments of a schedule come again",
        handle=resume_schedule,
        answers={200: ScheduleJson},
        body=WhyBody,
        errors=(404, 503),
    ),
    Route(
        method="GET",
        path=f"{ONE}/moments",
        summary="The next moments of a schedule",
        handle=show_moments,
        answers={200: MomentsJson},
        query=MomentsQuery,
        errors=(404, 503),
    ),
)
