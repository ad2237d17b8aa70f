"""Runs stored events again, as new ones that name their origin.

    request (a row, audited) -> look by look, in the order of ids: new events + how far it has got, in one commit

The id of a new event follows from the request and the old event, so that an event is run again once for each request,
whatever is killed meanwhile. The process that owns the first shard does the work.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from runtime.durable.crash_points import reach
from runtime.durable.failures import cause_of
from runtime.durable.ids import id_at, timestamp_of, with_random
from runtime.durable.journal import RETRY_SECONDS
from runtime.durable.outbox import MOVING_SHARD
from runtime.durable.reruns import require_rerun
from runtime.durable.settling import settled
from runtime.errors import ConflictError, InvalidInputError, StoreUnavailableError, UnknownServiceError
from runtime.store.records import Batch, DeadLetter, Event, ReplayStep
from runtime.store.replays import Looked, ReplayRequest

if TYPE_CHECKING:
    from runtime.machinery import Machinery

LOGGER = logging.getLogger("postroom.replays")

LOOKED_AT = 1_000
"""How many events one look, and one commit, is about."""
LOOK_SECONDS = 1.0
"""How often it looks for requests that other processes took."""


class Replays:
    """The work of the `replays` part."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._store = machinery.store
        self._clock = machinery.clock
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is a new request."""
        self._wake.set()

    async def run(self) -> None:
        """Carry requests out, for ever."""
        while True:
            self._wake.clear()
            try:
                if MOVING_SHARD in self._machinery.backlog.shards:
                    for request in await self._store.replays.unfinished(1):
                        await self._step(request)
                        self._wake.set()
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _step(self, request: ReplayRequest) -> None:
        first, end = bounds_of(request)
        after = max(request.position, first)
        looked = await self._store.replays.look(request.which, after, end, LOOKED_AT, payloads=True)
        refused = await self._machinery.reruns.refusals(looked.events, looked.completed)
        batch = self._batch(request, looked, refused)
        async with self._machinery.appending:
            reach("replays.before_commit")
            entries = await settled(self._store, batch, self._store.commit(batch))
            reach("replays.after_commit")
            await self._machinery.backlog.admit(entries)

    def _batch(self, request: ReplayRequest, looked: Looked, refused: Mapping[UUID, str]) -> Batch:
        batch = Batch()
        for event in looked.events:
            again = again_of(event, request, self._clock.now())
            try:
                require_rerun(event, refused)
                batch.events.append(self._machinery.admission.replay_to(again))
            except (ConflictError, InvalidInputError, UnknownServiceError) as error:
                batch.dead_letters.append(DeadLetter(again, cause_of(error, "it was refused"), self._clock.now()))
        reached = looked.last or request.position
        finished_at = None if looked.last is not None else self._clock.now()
        done, dead = len(batch.events), len(batch.dead_letters)
        step = ReplayStep(request.id, request.position, reached, done, finished_at, dead)
        batch.extra().replays.append(step)
        return batch


def bounds_of(request: ReplayRequest) -> tuple[UUID, UUID]:
    """The ids between which its events lie: those made before the request, so that it never meets its own."""
    which, made = request.which, id_at(timestamp_of(request.id))
    first = UUID(int=max(0, id_at(which.since).int - 1)) if which.since is not None else UUID(int=0)
    return first, min(made, id_at(which.until)) if which.until is not None else made


def again_of(event: Event, request: ReplayRequest, now: float) -> Event:
    """The event that runs another one again for a request."""
    drawn = hashlib.sha256(request.id.bytes + event.id.bytes).digest()
    return msgspec.structs.replace(
        event,
        id=with_random(request.id, drawn),
        service=request.to or event.service,
        accepted_at=now,
        enqueued_by=request.by,
        attempt=1,
        cause=None,
        origin=event.id,
    )
