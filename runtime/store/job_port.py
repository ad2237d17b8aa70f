"""The jobs' part of the store port."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from runtime.store.job_records import JobFilter, JobPage, JobView


class JobStore(Protocol):
    """Jobs by id and by filter. Every method may raise `StoreUnavailableError`, after which it can be called again."""

    async def find(self, job_id: UUID) -> JobView | None:
        """A job with its attempts, as far as the log has them; None if nothing knows it."""
        ...

    async def page(self, which: JobFilter) -> JobPage: ...

    async def result(self, job_id: UUID) -> bytes | None:
        """What the handler returned, as JSON, if it was kept."""
        ...
