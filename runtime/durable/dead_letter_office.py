"""Dead letters for people: list, show, replay, discard. The same over a running app and over a store at rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from actors.context import Clock
from runtime.durable.admission import require_name
from runtime.durable.reruns import Reruns, require_rerun
from runtime.durable.settling import settled
from runtime.errors import ConflictError, InvalidInputError, NotFoundError
from runtime.operations import MAX_PAGE
from runtime.store.port import Store
from runtime.store.records import Batch, DeadLetterFilter, DeadLetterView, Entry, Event

MAX_REASON_CHARACTERS = 2000

Rebuild = Callable[[Event, bytes, str], Event]
"""Makes the event that replays a dead one: (dead event, payload, by)."""


class DeadLetterOffice:
    """See `runtime.operations.DeadLetterOperations`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        rebuild: Rebuild,
        reruns: Reruns,
        appending: asyncio.Lock,
        admit: Callable[[Sequence[Entry]], Awaitable[None]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._rebuild = rebuild
        self._reruns = reruns
        self._appending = appending
        self._admit = admit

    async def dead_letters(self, which: DeadLetterFilter) -> list[DeadLetterView]:
        if not 1 <= which.limit <= MAX_PAGE:
            raise InvalidInputError("limit", f"must be between 1 and {MAX_PAGE}, not {which.limit}")
        return await self._store.dead_letters(which)

    async def dead_letter(self, event_id: UUID) -> DeadLetterView:
        found = await self._store.dead_letter(event_id)
        if found is None:
            raise NotFoundError(f"no dead letter has the id {event_id}")
        return found

    async def replay(self, event_id: UUID, *, by: str, payload: bytes | None = None) -> UUID:
        require_name("by", by)
        letter = await self.dead_letter(event_id)
        if letter.state != "open":
            raise ConflictError(f"dead letter {event_id} is {letter.state} already")
        require_rerun(letter.event, await self._reruns.refusals([letter.event]))
        event = self._rebuild(letter.event, letter.event.payload if payload is None else payload, by)
        detail = None if payload is None else "with another payload"
        async with self._appending:
            batch = Batch(events=[event])
            replaying = self._store.replay(event_id, batch, by=by, at=self._clock.now(), detail=detail)
            await self._admit(await settled(self._store, batch, replaying))
        return event.id

    async def discard(self, event_id: UUID, *, by: str, reason: str | None = None) -> None:
        require_name("by", by)
        if reason is not None and len(reason) > MAX_REASON_CHARACTERS:
            raise InvalidInputError("reason", f"has {len(reason)} characters; the limit is {MAX_REASON_CHARACTERS}")
        await self._store.discard(event_id, by=by, at=self._clock.now(), detail=reason)
