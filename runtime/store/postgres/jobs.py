"""Jobs by id and by filter, from the logs."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.durable.ids import MAX_ID, id_at
from runtime.store.job_records import JobFilter, JobPage, JobView, status_of
from runtime.store.postgres.pool import Pool, Row
from runtime.store.records import Attempt, Event, OutcomeKind

LOOKED_AT = 2_000
"""How many jobs one statement looks at."""
MAX_LOOKS = 20
"""How many statements one page takes at most."""


class PostgresJobs:
    """`runtime.store.job_port.JobStore`."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements

    async def find(self, job_id: UUID) -> JobView | None:
        known = await self._pool.fetch(self._sql["find_event"], job_id)
        if not known:
            return None
        event = Event(*known[0])
        attempts = await self._pool.fetch(self._sql["job_attempts"], job_id)
        return _view(event, attempts) if attempts else await self._dead(event)

    async def page(self, which: JobFilter) -> JobPage:
        found: list[JobView] = []
        since = id_at(which.since) if which.since is not None else UUID(int=0)
        before = min((*((id_at(which.until),) if which.until is not None else ()), which.before or MAX_ID))
        for _ in range(MAX_LOOKS):
            room = which.limit - len(found)
            rows = await self._pool.fetch(
                self._sql["jobs"],
                which.service,
                which.tenant,
                which.type,
                which.status,
                since,
                before,
                LOOKED_AT,
                room,
            )
            count, last_id = rows[0][0], rows[0][1]
            jobs = [_listed(row) for row in rows if row["id"] is not None]
            found += jobs
            if len(jobs) == room:
                return JobPage(found, jobs[-1].event.id)
            if count < LOOKED_AT:
                return JobPage(found, None)
            before = last_id
        return JobPage(found, before)

    async def result(self, job_id: UUID) -> bytes | None:
        rows = await self._pool.fetch(self._sql["result"], job_id)
        return rows[0][0] if rows else None

    async def _dead(self, event: Event) -> JobView:
        """One of which the log keeps nothing any more."""
        [row] = await self._pool.fetch(self._sql["dead_letter"], event.id)
        error = f"{row['cause_type']}: {row['cause_message']}"
        return JobView(event=event, status="failed", attempt=event.attempt, finished_at=row["died_at"], error=error)


def _view(event: Event, rows: list[Row]) -> JobView:
    last = rows[-1]
    kind = None if last["kind"] is None else OutcomeKind(last["kind"])
    return JobView(
        event=event,
        status=status_of(kind, last["due_at"]),
        attempt=last["attempt"],
        due_at=last["due_at"],
        started_at=last["started_at"],
        finished_at=last["finished_at"],
        error=next((row["error"] for row in reversed(rows) if row["error"]), None),
        seq=last["seq"],
        queue=last["queue"],
        attempts=[_attempt(row) for row in rows if row["seq"] is not None],
    )


def _attempt(row: Row) -> Attempt:
    outcome = None if row["kind"] is None else OutcomeKind(row["kind"]).name.lower()
    return Attempt(row["attempt"], row["accepted_at"], outcome, row["started_at"], row["finished_at"], row["error"])


def _listed(row: Row) -> JobView:
    event = Event(
        row["id"],
        row["service"],
        row["tenant"],
        row["key"],
        row["type"],
        b"",
        row["accepted_at"],
        row["enqueued_by"],
        cause=row["cause"],
        origin=row["origin"],
        depth=row["depth"],
    )
    return msgspec.structs.replace(_view(event, [row]), attempts=[])
