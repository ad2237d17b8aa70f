"""Moves what transactions of others accepted from the outbox to the log.

    app.enqueue(connection=...), postroom.enqueue(...) -> outbox, in their transaction
                                                             | seen when they have committed
                                          event log, delayed events, or dead letters for what no service takes

One process moves, the one that owns the first shard; should two of them try, the database lets one succeed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runtime.durable.crash_points import reach
from runtime.durable.failures import cause_of
from runtime.durable.journal import RETRY_SECONDS
from runtime.durable.settling import settled
from runtime.errors import ConflictError, InvalidInputError, StoreUnavailableError, UnknownServiceError
from runtime.store.outbox import Posted
from runtime.store.records import Batch, DeadLetter, Delayed, Event

if TYPE_CHECKING:
    from runtime.machinery import Machinery

LOGGER = logging.getLogger("postroom.outbox")

MAX_MOVED = 500
"""How many events one transaction moves at most."""
LOOK_SECONDS = 0.05
"""How often it looks for what was committed: nobody tells."""
MOVING_SHARD = 0


class Outbox:
    """The work of the `outbox` part."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._store = machinery.store
        self._clock = machinery.clock

    async def run(self) -> None:
        """Move what is committed, for ever."""
        while True:
            moved = 0
            try:
                if MOVING_SHARD in self._machinery.backlog.shards:
                    moved = await self._move()
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            except ConflictError:
                LOGGER.debug("another process has moved what waited in the outbox")
            if moved < MAX_MOVED:
                await asyncio.sleep(LOOK_SECONDS)

    async def _move(self) -> int:
        waiting = await self._store.outbox.waiting(MAX_MOVED)
        if waiting:
            batch = self._batch(waiting)
            async with self._machinery.appending:
                reach("outbox.before_commit")
                entries = await settled(self._store, batch, self._store.commit(batch))
                reach("outbox.after_commit")
                await self._machinery.backlog.admit(entries)
            self._machinery.delays.expect(batch.delayed)
        return len(waiting)

    def _batch(self, waiting: list[Posted]) -> Batch:
        batch = Batch()
        for posted in waiting:
            try:
                record = self._machinery.admission.posted(posted)
            except (InvalidInputError, UnknownServiceError) as error:
                batch.dead_letters.append(
                    DeadLetter(event_of(posted), cause_of(error, "no service takes it"), self._clock.now())
                )
            else:
                (batch.delayed if isinstance(record, Delayed) else batch.events).append(record)  # type: ignore[arg-type]
            batch.extra().taken.append(posted.place)
        return batch


def event_of(posted: Posted) -> Event:
    """The event as it was posted, whether a service takes it or not."""
    return Event(
        posted.id,
        posted.service,
        posted.tenant,
        posted.key,
        posted.type or "",
        posted.payload,
        posted.accepted_at,
        posted.enqueued_by,
        headers=posted.headers,
    )


def posted_of(event: Event, delay_seconds: float) -> Posted:
    """What goes into the outbox for an event."""
    return Posted(
        place=0,
        id=event.id,
        service=event.service,
        tenant=event.tenant,
        key=event.key,
        type=event.type,
        payload=event.payload,
        accepted_at=event.accepted_at,
        enqueued_by=event.enqueued_by,
        headers=event.headers,
        delay_seconds=delay_seconds,
    )
