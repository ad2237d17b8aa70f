"""What people and programs may ask of a running app about its jobs. Every durable event is a job."""

from __future__ import annotations

import math
from typing import Protocol
from uuid import UUID

from runtime.store.job_records import JobFilter, JobPage, JobView

MAX_WAIT_SECONDS = 60.0
"""How long one request over HTTP waits for the end of a job; ask again to wait longer."""


class JobOperations(Protocol):
    """Jobs of an app that runs."""

    async def job(self, job_id: UUID) -> JobView:
        """A job with its attempts. Raises NotFoundError, also where the log no longer has it."""
        ...

    async def jobs(self, which: JobFilter) -> JobPage:
        """Raises InvalidInputError for a `limit` outside 1 to MAX_PAGE, or a time frame that is empty."""
        ...

    async def wait(self, job_id: UUID, timeout_seconds: float = math.inf) -> JobView:
        """Return when the job has ended, or after the time-out as it is then. Raises NotFoundError."""
        ...

    async def abort(self, job_id: UUID, *, by: str, reason: str | None = None) -> JobView:
        """End a job that is not done: it is not started any more, or its handler is cancelled and what it wrote undone.

        Raises:
            NotFoundError: no job has the id.
            ConflictError: it has ended, or its handler does not heed its cancellation within 10 s.
        """
        ...

    async def result(self, job_id: UUID) -> bytes | None:
        """What the handler returned, as JSON; None if it returned nothing, has not ended, or nothing is kept."""
        ...
