"""Dead letters as people see them, and what people do with them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from runtime.errors import ConflictError, NotFoundError
from runtime.store.postgres.pool import Connection, Pool, Row
from runtime.store.postgres.writer import Writer
from runtime.store.records import (
    Attempt,
    AuditRecord,
    Batch,
    Cause,
    DeadLetterFilter,
    DeadLetterView,
    Entry,
    Event,
    OutcomeKind,
)

MAX_PAGE = 1000


class DeadLetters:
    """The dead letters of one schema."""

    def __init__(self, pool: Pool, statements: dict[str, str], writer: Writer) -> None:
        self._pool = pool
        self._sql = statements
        self._writer = writer

    async def page(self, which: DeadLetterFilter) -> list[DeadLetterView]:
        rows = await self._pool.fetch(
            self._sql["dead_letters"],
            which.service,
            which.tenant,
            which.state,
            which.before,
            min(which.limit, MAX_PAGE),
        )
        return await self._views(rows)

    async def one(self, event_id: UUID) -> DeadLetterView | None:
        rows = await self._pool.fetch(self._sql["dead_letter"], event_id)
        if not rows:
            return None
        [view] = await self._views(rows)
        attempts = await self._pool.fetch(self._sql["attempts"], event_id)
        audit = await self._pool.fetch(self._sql["audit_of"], event_id)
        return msgspec.structs.replace(
            view,
            attempts=[Attempt(*row) for row in attempts],
            audit=[AuditRecord(*row) for row in audit],
        )

    async def close(self, event_id: UUID, batch: Batch, *, by: str, at: float, detail: str | None) -> list[Entry]:
        """Take an open dead letter to `replayed`, with the event of the batch, or to `discarded` if it has none."""
        replay = next((event.id for event in batch.events), None)
        state = "discarded" if replay is None else "replayed"
        async with self._writer.gate:
            write = await self._writer.prepare(batch)
            with self._writer.under(write):
                async with self._pool.transaction() as connection:
                    closing = (event_id, state, replay, by, at, detail)
                    if not await connection.fetch(self._sql["close_dead_letter"], *closing):
                        await self._refuse(connection, event_id)
                    return await write.send(connection)

    async def _refuse(self, connection: Connection, event_id: UUID) -> None:
        state = await connection.fetchval(self._sql["dead_letter_state"], event_id)
        if state is None:
            raise NotFoundError(f"there is no dead letter {event_id}")
        raise ConflictError(f"the dead letter {event_id} is {state}, not open")

    async def _views(self, rows: Sequence[Row]) -> list[DeadLetterView]:
        outcomes = await self._replay_outcomes([row["replayed_as"] for row in rows if row["replayed_as"] is not None])
        return [_view(row, outcomes) for row in rows]

    async def _replay_outcomes(self, replays: Sequence[UUID]) -> dict[UUID, int]:
        if not replays:
            return {}
        rows = await self._pool.fetch(self._sql["replay_outcomes"], replays)
        return {row["id"]: row["kind"] for row in rows}


def _view(row: Row, outcomes: dict[UUID, int]) -> DeadLetterView:
    replayed_as = row["replayed_as"]
    replay_outcome = None
    if replayed_as is not None:
        kind = outcomes.get(replayed_as)
        replay_outcome = "pending" if kind is None else OutcomeKind(kind).name.lower()
    return DeadLetterView(
        event=Event(*row[:13]),
        cause=Cause(*row[13:16]),
        died_at=row["died_at"],
        state=row["state"],
        replayed_as=replayed_as,
        replay_outcome=replay_outcome,
    )
