"""Jobs as people see them. Times are seconds since the epoch (UTC)."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from runtime.store.records import Attempt, Event, OutcomeKind

JobStatus = Literal["holding", "queued", "processing", "completed", "failed", "aborted"]
ENDED: frozenset[JobStatus] = frozenset(("completed", "failed", "aborted"))

_STATUS: dict[OutcomeKind | None, JobStatus] = {
    None: "queued",
    OutcomeKind.DONE: "completed",
    OutcomeKind.RETRY: "queued",
    OutcomeKind.DEAD: "failed",
    OutcomeKind.ABORTED: "aborted",
}


def status_of(kind: OutcomeKind | None, due_at: float | None) -> JobStatus:
    """The status by a job's last attempt: how it ended, if it has, or when it is due where it waits."""
    return "holding" if due_at is not None else _STATUS[kind]


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job by its last attempt. In a list, `event` lacks its payload, and `attempts` are empty.

    `holding`: it waits for its delay, or for its next attempt, until `due_at`. `processing` is known to the process
    that runs the handler; to others the job is queued.
    """

    event: Event
    status: JobStatus
    attempt: int
    due_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    seq: int | None = None
    """The place of the last attempt in the log."""
    queue: int | None = None
    attempts: list[Attempt] = []


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs to list: newest first, at most `limit`, older than the job `before`; times are those of the ids."""

    service: str | None = None
    tenant: str | None = None
    type: str | None = None
    status: JobStatus | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 50
    before: UUID | None = None


class JobPage(msgspec.Struct, frozen=True):
    """Newest first. `next` is what `before` must be for the page that follows, or None on the last one.

    A page may hold fewer than `limit`, even none, and have a next one: a look at the log is bounded.
    """

    jobs: list[JobView]
    next: UUID | None
