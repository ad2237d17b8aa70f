"""Requests to run events again, of the in-memory store."""

from __future__ import annotations

from uuid import UUID

from runtime.store.audit import AuditEntry
from runtime.store.memory_database import MemoryDatabase
from runtime.store.records import Event, OutcomeKind
from runtime.store.replays import KINDS, Looked, ReplayFilter, ReplayRequest


class MemoryReplays:
    """`runtime.store.replays.ReplayStore`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def request(self, request: ReplayRequest, audit: AuditEntry) -> None:
        if request.id not in self._database.replays:
            self._database.replays[request.id] = request
            self._database.audit.add([audit])

    async def find(self, request_id: UUID) -> ReplayRequest | None:
        return self._database.replays.get(request_id)

    async def unfinished(self, limit: int) -> list[ReplayRequest]:
        requests = sorted(self._database.replays.values(), key=lambda request: request.id)
        return [request for request in requests if request.finished_at is None][:limit]

    async def look(
        self,
        which: ReplayFilter,
        after: UUID,
        before: UUID,
        limit: int,
        *,
        payloads: bool,  # noqa: ARG002 # they are at hand
    ) -> Looked:
        database = self._database
        known = sorted(
            job
            for job in database.job_ids()
            if after < job < before and database.attempts_of(job) and (which.ids is None or job in which.ids)
        )[:limit]
        events = [database.attempts_of(job)[0].event for job in known]
        found = [event for event in events if self._fits(event, which)]
        completed = frozenset(event.id for event in found if self._kind_of(event) is OutcomeKind.DONE)
        return Looked(found, known[-1] if len(known) == limit else None, completed)

    def _kind_of(self, event: Event) -> OutcomeKind | None:
        outcome = self._database.outcomes.get(self._database.attempts_of(event.id)[-1].seq)
        return None if outcome is None else outcome.kind

    def _fits(self, event: Event, which: ReplayFilter) -> bool:
        kind = self._kind_of(event)
        return (
            kind not in {None, OutcomeKind.RETRY}
            and which.service in {None, event.service}
            and which.tenant in {None, event.tenant}
            and which.type in {None, event.type}
            and (which.outcome is None or kind is KINDS[which.outcome])
        )
