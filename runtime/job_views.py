"""The JSON of jobs that HTTP and the command line show."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.store.job_records import JobPage, JobStatus, JobView
from runtime.views import AttemptJson, Time, utc


class JobJson(msgspec.Struct, frozen=True, kw_only=True):
    """A job by its last attempt. In a list, `payload` is null and `attempts` are empty."""

    id: UUID
    status: JobStatus
    tenant: str
    service: str
    key: str | None
    type: str
    payload: msgspec.Raw
    accepted_at: Time
    enqueued_by: str
    attempt: int
    depth: int
    due_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    error: str | None
    cause: UUID | None
    origin: UUID | None
    attempts: list[AttemptJson]


class JobPageJson(msgspec.Struct, frozen=True):
    """Newest first. `next` is what `before` must be for the page that follows, or null on the last one."""

    jobs: list[JobJson]
    next: UUID | None


class JobResultJson(msgspec.Struct, frozen=True):
    """How a job ended, or stands. `result` is null where the handler returned nothing or nothing is kept."""

    id: UUID
    status: JobStatus
    result: msgspec.Raw
    error: str | None


def job_json(view: JobView) -> JobJson:
    event = view.event
    return JobJson(
        id=event.id,
        status=view.status,
        tenant=event.tenant,
        service=event.service,
        key=event.key,
        type=event.type,
        payload=msgspec.Raw(event.payload or b"null"),
        accepted_at=utc(event.accepted_at),
        enqueued_by=event.enqueued_by,
        attempt=view.attempt,
        depth=event.depth,
        due_at=_time(view.due_at),
        started_at=_time(view.started_at),
        finished_at=_time(view.finished_at),
        error=view.error,
        cause=event.cause,
        origin=event.origin,
        attempts=msgspec.convert(view.attempts, list[AttemptJson], from_attributes=True, strict=False),
    )


def job_page_json(page: JobPage) -> JobPageJson:
    return JobPageJson([job_json(view) for view in page.jobs], page.next)


def job_result_json(view: JobView, result: bytes | None) -> JobResultJson:
    return JobResultJson(view.event.id, view.status, msgspec.Raw(result or b"null"), view.error)


def _time(seconds: float | None) -> Time | None:
    return None if seconds is None else utc(seconds)
