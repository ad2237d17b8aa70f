"""The first event of an actor whose key is new: handled before it is stored, so that only what comes of it is.

    event -> would it be started this instant? -> handled here and now: state and emitted events are one commit
          -> else, or if it fails: stored and handled as any event is

For who has just made the key up: nobody else knows it, so that nothing is stored of the actor, and nothing sent to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.durable.at_once import handle_at_once, may_begin

if TYPE_CHECKING:
    from actors.message import Message
    from runtime.durable.service import Service
    from runtime.store.records import Batch, Event


def begin(service: Service, event: Event, message: Message, batch: Batch) -> bool:
    """Have the actor handle its first event, and put what is to be stored of it into a batch; False where it cannot."""
    tenant, key = event.tenant, event.key
    assert key is not None, "it has been made up"
    if not may_begin(service, tenant, key):
        return False
    cell = service.instances.newborn(tenant, key)
    return cell is not None and handle_at_once(service, cell, event, message, batch)
