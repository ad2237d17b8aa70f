"""Jobs by id and by filter, of the in-memory store."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec

from runtime.durable.ids import timestamp_of
from runtime.store.job_records import JobFilter, JobPage, JobView, status_of
from runtime.store.memory_database import MemoryDatabase
from runtime.store.records import Attempt, Entry


class MemoryJobs:
    """`runtime.store.job_port.JobStore`. `opened` gives the database, or raises where the store is not open."""

    def __init__(self, opened: Callable[[], MemoryDatabase]) -> None:
        self._opened = opened

    async def find(self, job_id: UUID) -> JobView | None:
        database = self._opened()
        event = database.find_event(job_id)
        if event is None:
            return None
        entries, delayed = database.attempts_of(job_id), database.delayed_of(job_id)
        if not entries and delayed is None:
            letter = database.dead_letters[job_id]
            error = f"{letter.cause.type}: {letter.cause.message}"
            return JobView(event=event, status="failed", attempt=event.attempt, finished_at=letter.died_at, error=error)
        attempts = [_attempt(database, entry) for entry in entries]
        last = entries[-1] if entries and delayed is None else None
        outcome = database.outcomes.get(last.seq) if last is not None else None
        return JobView(
            event=event,
            status=status_of(outcome.kind if outcome else None, delayed.due_at if delayed else None),
            attempt=delayed.event.attempt if delayed else entries[-1].event.attempt,
            due_at=delayed.due_at if delayed else None,
            started_at=outcome.started_at if outcome else None,
            finished_at=outcome.finished_at if outcome else None,
            error=next((attempt.error for attempt in reversed(attempts) if attempt.error), None),
            seq=last.seq if last else None,
            queue=database.queue_of(event),
            attempts=attempts,
        )

    async def page(self, which: JobFilter) -> JobPage:
        found = []
        for job_id in sorted(self._opened().job_ids(), reverse=True):
            view = await self.find(job_id)
            if view is not None and _fits(view, which):
                event = msgspec.structs.replace(view.event, payload=b"", headers=None)
                error = view.attempts[-1].error if view.attempts and view.due_at is None else None
                found.append(msgspec.structs.replace(view, event=event, error=error, attempts=[]))
                if len(found) == which.limit:
                    return JobPage(found, job_id)
        return JobPage(found, None)

    async def result(self, job_id: UUID) -> bytes | None:
        return self._opened().results.get(job_id)


def _fits(view: JobView, which: JobFilter) -> bool:
    event, made = view.event, timestamp_of(view.event.id)
    return (
        which.service in {None, event.service}
        and which.tenant in {None, event.tenant}
        and which.type in {None, event.type}
        and which.status in {None, view.status}
        and (which.since is None or made >= which.since)
        and (which.until is None or made < which.until)
        and (which.before is None or event.id < which.before)
    )


def _attempt(database: MemoryDatabase, entry: Entry) -> Attempt:
    outcome = database.outcomes.get(entry.seq)
    accepted = (entry.event.attempt, entry.event.accepted_at)
    if outcome is None:
        return Attempt(*accepted, outcome=None, started_at=None, finished_at=None, error=None)
    times = (outcome.started_at, outcome.finished_at)
    return Attempt(*accepted, outcome.kind.name.lower(), *times, outcome.error)
