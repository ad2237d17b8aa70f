"""A message for an actor with a durable state, handled here and now: what comes of it joins a commit of somebody else.

What is joined is written before anything later, so that nobody can build on a state that is taken back.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING
from uuid import UUID

from actors.actor import Actor
from actors.current_event import EVENT
from actors.database import Database
from actors.errors import ActorError
from runtime.context import Emitter, EventContext
from runtime.store.records import Batch, Event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from typing import Any

    from actors.message import Message
    from runtime.cells.cell import Cell
    from runtime.durable.service import Service


class Joining:
    """Whose transaction it belongs to: that of a commit which has no statements."""

    __slots__ = ("emitter",)

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    @property
    def database(self) -> Database:
        raise ActorError("self.db is not there for a message that joins another's commit; see `joins_endings`")

    async def find_event(self, event_id: UUID) -> Event | None:
        raise ActorError(f"{event_id}: a plain handler cannot wait")

    async def call_out(self, calls: Sequence[Awaitable[Any]], seconds: float | None) -> list[Any]:
        raise ActorError(f"{len(calls)} calls within {seconds} s: a plain handler cannot wait")


def may_begin(service: Service, tenant: str, key: str) -> bool:
    """Whether an event of a key, of which none waits or runs, would be started this instant."""
    slots = service.slots
    if not slots.is_open or slots.held or service.suspects.active or not service.owns(tenant, key):
        return False
    return service.fair.is_free(tenant, key)


def handle_at_once(service: Service, cell: Cell, event: Event, message: Message, batch: Batch) -> bool:
    """Have an actor at rest handle a message on an event's account, and put what comes of it into a batch.

    False where that is not possible; nothing has changed then.
    """
    states, actor, key = service.states, cell.instance, event.key
    assert states is not None, "only actors with a durable state join a commit"
    assert actor is not None, "one at rest is alive"
    assert key is not None, "and has a key"
    identity = (event.tenant, key)
    context = EventContext(cell, event, service.joining)
    try:
        _call(cell, actor, context, event, message)
        payload = states.encode(actor)
    except Exception:  # noqa: BLE001 # it becomes an event of its own, whose failure has a place
        states.take_back(identity, actor)
        return False
    saved = states.save(identity, payload, actor, batch, joins=True)
    cell.handled += 1
    batch.keep(context.emitted)
    if saved is not None and saved.ended:
        service.instances.rest(cell)
    return True


def _call(cell: Cell, actor: Actor, context: EventContext, event: Event, message: Message) -> None:
    usual, actor._context = actor._context, context  # noqa: SLF001 # the runtime's side of it
    before = EVENT.set(event)
    try:
        result = cell.methods[type(message)](actor, message)
    finally:
        EVENT.reset(before)
        actor._context = usual  # noqa: SLF001 # as above
        context.close()
    if type(result) is CoroutineType:
        result.close()
        raise ActorError("it has to wait for something")
