"""The routes of jobs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from runtime.http.requests import BY_HTTP, MAX_REASON, Name, Person, decode_id
from runtime.http.route import Call, Route
from runtime.job_operations import MAX_WAIT_SECONDS
from runtime.job_views import JobJson, JobPageJson, JobResultJson, job_json, job_page_json, job_result_json
from runtime.operations import MAX_PAGE
from runtime.store.job_records import ENDED, JobFilter, JobStatus
from runtime.views import Time


class JobQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which jobs to list; times are those at which jobs were made, ISO 8601 with a zone."""

    service: Name | None = None
    tenant: Name | None = None
    type: str | None = None
    status: JobStatus | None = None
    since: Time | None = None
    until: Time | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 50
    before: UUID | None = None

    def filter(self) -> JobFilter:
        return JobFilter(
            service=self.service,
            tenant=self.tenant,
            type=self.type,
            status=self.status,
            since=self.since.timestamp() if self.since else None,
            until=self.until.timestamp() if self.until else None,
            limit=self.limit,
            before=self.before,
        )


class ResultQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long to wait for the end of a job before its present state is told."""

    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT_SECONDS)] = 0.0


class AbortBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    by: Person = BY_HTTP
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON)] | None = None


async def list_jobs(call: Call) -> tuple[int, JobPageJson]:
    query: JobQuery = call.query
    return 200, job_page_json(await call.operations.jobs.jobs(query.filter()))


async def show_job(call: Call) -> tuple[int, JobJson]:
    return 200, job_json(await call.operations.jobs.job(decode_id(call.path)))


async def job_result(call: Call) -> tuple[int, JobResultJson]:
    query: ResultQuery = call.query
    jobs, job_id = call.operations.jobs, decode_id(call.path)
    view = await jobs.wait(job_id, query.wait_seconds)
    result = await jobs.result(job_id)
    return (200 if view.status in ENDED else 202), job_result_json(view, result)


async def abort_job(call: Call) -> tuple[int, JobJson]:
    body: AbortBody = call.body
    return 200, job_json(await call.operations.jobs.abort(decode_id(call.path), by=body.by, reason=body.reason))


JOB_ROUTES = (
    Route(
        method="POST",
        path="/v1/jobs/{id}/abort",
        summary="End a job that is not done: not started any more, or its handler cancelled and undone",
        handle=abort_job,
        answers={200: JobJson},
        body=AbortBody,
        errors=(404, 409, 503),
    ),
    Route(
        method="GET",
        path="/v1/jobs",
        summary="A page of jobs, newest first; every event is a job",
        handle=list_jobs,
        answers={200: JobPageJson},
        query=JobQuery,
        errors=(503,),
    ),
    Route(
        method="GET",
        path="/v1/jobs/{id}",
        summary="One job with its status and attempts",
        handle=show_job,
        answers={200: JobJson},
        errors=(404, 503),
    ),
    Route(
        method="GET",
        path="/v1/jobs/{id}/result",
        summary="How a job ended and what its handler returned; 202 where it has not ended within wait_seconds",
        handle=job_result,
        answers={200: JobResultJson, 202: JobResultJson},
        query=ResultQuery,
        errors=(404, 503),
    ),
)
