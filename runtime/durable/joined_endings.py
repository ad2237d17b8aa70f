"""The end of a job that is handled in the commit that ends the job, instead of by an event of its own.

    job done -> its finalizer's actor is at rest here? -> handled here and now: its state and what it emits join
             -> else, or if it fails: an event, as for any finalizer

Only where the outcome goes through the journal: what is joined to it is written before anything later, so that nobody
can build on a state that is taken back.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, NamedTuple, cast
from uuid import UUID

import msgspec

from actors.actor import Actor
from actors.database import Database
from actors.errors import ActorError
from actors.job import Finalizer, JobEnded
from runtime.context import Emitter, EventContext
from runtime.store.records import Batch, Event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from typing import Any

    from runtime.cells.cell import Cell
    from runtime.durable.service import Service
    from runtime.durable.states import States


class Ending(NamedTuple):
    """What a finalizer is to be told of a job."""

    job: Event
    finalizer: Finalizer
    ended: JobEnded


class Joining:
    """Whose transaction a joined ending belongs to: that of the job's outcome, which has no statements."""

    __slots__ = ("emitter",)

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    @property
    def database(self) -> Database:
        raise ActorError("self.db is not there for a JobEnded that joins the job's commit; see `joins_endings`")

    async def find_event(self, event_id: UUID) -> Event | None:
        raise ActorError(f"{event_id}: a plain handler cannot wait")

    async def call_out(self, calls: Sequence[Awaitable[Any]], seconds: float | None) -> list[Any]:
        raise ActorError(f"{len(calls)} calls within {seconds} s: a plain handler cannot wait")


def join(service: Service, ending: Ending, batch: Batch) -> bool:
    """Have the actor that a finalizer names handle a job's end, and put what comes of it into the job's batch.

    False where that is not possible now; nothing has changed then.
    """
    job, key = ending.job, ending.finalizer.key or ending.job.key
    if key is None:
        return False
    cell = _actor_at_rest(service, job.tenant, key)
    if cell is None:
        return False
    identity, states, actor = (job.tenant, key), cast("States", service.states), cast("Actor", cell.instance)
    context = EventContext(cell, _event_of(service, job, key), Joining(service.emitter))
    try:
        _handle(cell, actor, context, ending.ended)
        payload = states.encode(actor)
    except Exception:  # noqa: BLE001 # it is told by an event, whose failure has a place
        states.take_back(identity, actor)
        return False
    if states.save(identity, payload, actor, batch):
        states.committed((identity,))
    cell.handled += 1
    batch.keep(context.emitted)
    return True


def _handle(cell: Cell, actor: Actor, context: EventContext, ended: JobEnded) -> None:
    usual, actor._context = actor._context, context  # noqa: SLF001 # the runtime's side of it
    try:
        result = cell.methods[JobEnded](actor, ended)
    finally:
        actor._context = usual  # noqa: SLF001 # as above
        context.close()
    if type(result) is CoroutineType:
        result.close()
        raise ActorError("it has to wait for something")


def _actor_at_rest(service: Service, tenant: str, key: str) -> Cell | None:
    """The actor of a key, if it could handle an event of it this instant."""
    slots = service.slots
    if not slots.is_open or slots.held or service.suspects.active or not service.owns(tenant, key):
        return None
    return service.instances.at_rest(tenant, key) if service.fair.is_free(tenant, key) else None


def _event_of(service: Service, job: Event, key: str) -> Event:
    """What the context of the handler tells of: the job, as one of the finalizer's own events."""
    return msgspec.structs.replace(job, service=service.name, key=key, headers=None, attempt=1)
