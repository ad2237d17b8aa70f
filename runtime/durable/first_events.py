"""The first event of an actor whose key is new: handled before it is stored, so that only what comes of it is.

    event -> would it be started this instant? -> handled here and now: state and emitted events are one commit
          -> else, or if it fails: stored and handled as any event is

For who has just made the key up: nobody else knows it, so that nothing is stored of the actor, and nothing sent to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from runtime.durable.at_once import handle_at_once, may_begin
from runtime.store.records import Batch, Event

if TYPE_CHECKING:
    from actors.message import Message
    from runtime.durable.service import Service


def begin(service: Service, event: Event, message: Message) -> Batch | None:
    """What is to be stored once the actor has handled its first event; None where it cannot do so now."""
    tenant, key = event.tenant, cast("str", event.key)
    if not may_begin(service, tenant, key):
        return None
    cell = service.instances.newborn(tenant, key)
    batch = Batch()
    return batch if cell is not None and handle_at_once(service, cell, event, message, batch) else None
