"""Requests to run events again in the database, and the events that they match."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.store.audit import AuditEntry
from runtime.store.postgres.audit import audit_columns
from runtime.store.postgres.columns import Columns
from runtime.store.postgres.pool import Pool, Row
from runtime.store.records import Event, Extras, OutcomeKind
from runtime.store.replays import KINDS, Looked, ReplayFilter, ReplayRequest


class PostgresReplays:
    """`runtime.store.replays.ReplayStore`."""

    def __init__(self, pool: Pool, statements: dict[str, str]) -> None:
        self._pool = pool
        self._sql = statements

    async def request(self, request: ReplayRequest, audit: AuditEntry) -> None:
        text = msgspec.json.encode(request.which)
        values = (request.id, request.by, request.at, text, request.to, request.matched)
        async with self._pool.transaction() as connection:
            if await connection.fetch(self._sql["request_replay"], *values):
                await connection.fetch(self._sql["write_audit"], *audit_columns([audit]))

    async def find(self, request_id: UUID) -> ReplayRequest | None:
        rows = await self._pool.fetch(self._sql["replay_request"], request_id)
        return _request(rows[0]) if rows else None

    async def unfinished(self, limit: int) -> list[ReplayRequest]:
        return [_request(row) for row in await self._pool.fetch(self._sql["unfinished_replays"], limit)]

    async def look(self, which: ReplayFilter, after: UUID, before: UUID, limit: int, *, payloads: bool) -> Looked:
        rows = await self._pool.fetch(
            self._sql["ended_events"],
            which.service,
            which.tenant,
            which.type,
            None if which.outcome is None else KINDS[which.outcome],
            which.ids,
            after,
            before,
            limit,
            payloads,
        )
        events = [Event(*row[2:15]) for row in rows if row["id"] is not None]
        completed = frozenset(row["id"] for row in rows if row["kind"] == OutcomeKind.DONE)
        return Looked(events, rows[0]["last_id"] if rows[0]["count"] == limit else None, completed)


def progress_columns(extras: Extras) -> Columns:
    """id, the position before, the one reached, how many events, how many refused, when done."""
    steps = extras.replays
    return [
        [step.id for step in steps],
        [step.was for step in steps],
        [step.reached for step in steps],
        [step.count for step in steps],
        [step.refused for step in steps],
        [step.finished_at for step in steps],
    ]


def _request(row: Row) -> ReplayRequest:
    return ReplayRequest(
        id=row["id"],
        by=row["actor"],
        at=row["at"],
        which=msgspec.json.decode(row["filter"], type=ReplayFilter),
        to=row["target"],
        matched=row["matched"],
        replayed=row["replayed"],
        refused=row["refused"],
        position=row["position"],
        finished_at=row["finished_at"],
    )
