"""Jobs for people and programs: look one up, list them, wait for one's end, read its result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from runtime.durable.admission import require_name
from runtime.durable.dead_letter_office import MAX_REASON_CHARACTERS
from runtime.durable.outbox import event_of
from runtime.errors import ConflictError, InvalidInputError, NotFoundError
from runtime.operations import MAX_PAGE
from runtime.store.aborts import AbortOrder
from runtime.store.job_records import ENDED, JobFilter, JobPage, JobStatus, JobView

if TYPE_CHECKING:
    from runtime.machinery import Machinery

FIRST_PAUSE_SECONDS = 0.05
ABORT_SECONDS = 10.0
"""How long a handler has to end when it is cancelled."""
MAX_PAUSE_SECONDS = 0.5
"""How often a job is looked at that another process handles, or that waits for its next attempt."""


class JobDesk:
    """See `runtime.job_operations.JobOperations`."""

    def __init__(self, machinery: Machinery, wake_aborts: Callable[[], None]) -> None:
        self._machinery = machinery
        self._wake_aborts = wake_aborts
        self._jobs = machinery.store.jobs

    async def job(self, job_id: UUID) -> JobView:
        found = await self._jobs.find(job_id) or await self._in_outbox(job_id)
        if found is None:
            raise NotFoundError(f"no job has the id {job_id}")
        return self._as_it_runs(found, self._running())

    async def jobs(self, which: JobFilter) -> JobPage:
        if not 1 <= which.limit <= MAX_PAGE:
            raise InvalidInputError("limit", f"must be between 1 and {MAX_PAGE}, not {which.limit}")
        if which.since is not None and which.until is not None and which.since >= which.until:
            raise InvalidInputError("until", "must be later than since")
        running = self._running()
        if which.status == "processing":
            return await self._processing(which, running)
        page = await self._jobs.page(which)
        shown = [self._as_it_runs(view, running) for view in page.jobs]
        return JobPage([view for view in shown if which.status in {None, view.status}], page.next)

    async def wait(self, job_id: UUID, timeout_seconds: float = math.inf) -> JobView:
        if not timeout_seconds >= 0:
            raise InvalidInputError("timeout_seconds", f"must be 0 or more, not {timeout_seconds}")
        clock, pause = self._machinery.clock, FIRST_PAUSE_SECONDS
        deadline = clock.monotonic() + timeout_seconds
        while True:
            view = await self.job(job_id)
            left = deadline - clock.monotonic()
            if view.status in ENDED or left <= 0:
                return view
            await self._machinery.backlog.wait_recorded(view.seq, min(pause, left))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def abort(self, job_id: UUID, *, by: str, reason: str | None = None) -> JobView:
        require_name("by", by)
        if reason is not None:
            require_name("reason", reason, MAX_REASON_CHARACTERS)
        view = await self.job(job_id)
        if view.status in ENDED:
            raise ConflictError(f"job {job_id} is {view.status} already")
        aborts = self._machinery.store.aborts
        await aborts.order(AbortOrder(job_id, by, self._machinery.clock.now(), reason))
        self._wake_aborts()
        view = await self.wait(job_id, ABORT_SECONDS)
        if view.status not in ENDED:
            await aborts.withdraw(job_id)
            view = await self.job(job_id)
        if view.status == "aborted":
            return view
        if view.status in ENDED:
            raise ConflictError(f"job {job_id} {view.status} before it could be aborted")
        raise ConflictError(f"job {job_id} is {view.status} and does not heed its cancellation; it goes on")

    async def result(self, job_id: UUID) -> bytes | None:
        return await self._jobs.result(job_id)

    async def _in_outbox(self, job_id: UUID) -> JobView | None:
        """One that was accepted and has not been moved to the log yet."""
        posted = await self._machinery.store.outbox.find(job_id)
        if posted is None:
            return await self._jobs.find(job_id)  # it may have been moved meanwhile
        due_at = posted.accepted_at + posted.delay_seconds if posted.delay_seconds else None
        status: JobStatus = "holding" if due_at else "queued"
        return JobView(event=event_of(posted), status=status, attempt=1, due_at=due_at)

    async def _processing(self, which: JobFilter, running: frozenset[int]) -> JobPage:
        """As those that run are few, each is looked at, and none is left for a further page."""
        ids = [
            entry.event.id for service in self._machinery.services.values() for entry in service.runs.running_entries()
        ]
        views = [view for job_id in ids if (view := await self._jobs.find(job_id)) is not None]
        shown = [self._as_it_runs(view, running) for view in views if _fits(view, which)]
        found = [_brief(view) for view in shown if view.status == "processing"]
        return JobPage(sorted(found, key=lambda view: view.event.id, reverse=True)[: which.limit], None)

    def _running(self) -> frozenset[int]:
        services = self._machinery.services.values()
        return frozenset(entry.seq for service in services for entry in service.runs.running_entries())

    @staticmethod
    def _as_it_runs(view: JobView, running: frozenset[int]) -> JobView:
        if view.status == "queued" and view.seq in running:
            return msgspec.structs.replace(view, status="processing")
        return view


def _fits(view: JobView, which: JobFilter) -> bool:
    event = view.event
    return (
        which.service in {None, event.service}
        and which.tenant in {None, event.tenant}
        and which.type in {None, event.type}
        and (which.since is None or event.accepted_at >= which.since)
        and (which.until is None or event.accepted_at < which.until)
        and (which.before is None or event.id < which.before)
    )


def _brief(view: JobView) -> JobView:
    return msgspec.structs.replace(
        view, event=msgspec.structs.replace(view.event, payload=b"", headers=None), attempts=[]
    )
