"""A chunk whose actors have durable states: each event's state goes into the commit of its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.durable.chunk import Chunk, ChunkRun
from runtime.durable.delivery import Delivery
from runtime.durable.states import Identity, States

if TYPE_CHECKING:
    from runtime.durable.service import Service


class StatefulChunkRun(ChunkRun):
    """See `runtime.durable.chunk.ChunkRun`."""

    __slots__ = ("_saved", "_states")
    _brings_about_more = True

    def __init__(self, service: Service, chunk: Chunk, slot: int, states: States) -> None:
        super().__init__(service, chunk, slot)
        self._states = states
        self._saved: list[Identity] = []

    def start(self) -> None:
        """What was saved by the part that ends here is committed, or given to the journal."""
        self._states.committed(self._saved)
        self._saved.clear()
        super().start()

    def _complete(self, delivery: Delivery, result: object) -> None:
        """Raises UnsavableStateError, and as that of any chunk."""
        payload = self._states.encode(delivery.actor)
        super()._complete(delivery, result)
        identity = _identity(delivery)
        if self._states.save(identity, payload, delivery.actor, self._batch) is not None:
            self._saved.append(identity)

    def failed(self, delivery: Delivery, error: BaseException) -> None:
        if delivery.actor._actor_fault is None:  # noqa: SLF001 # the runtime's side of it
            super().failed(delivery, error)
        else:  # trying again would not help
            why = "the state of its actor cannot be read"
            self._service.failures.bury(self._batch, delivery.entry, error, delivery.started_at, why)
            self._advance(delivery)

    async def _roll_back(self) -> None:
        """The actors of this part are ahead of what is stored: they begin anew."""
        await super()._roll_back()
        self._states.refused(self._saved)
        for tenant, key in self._saved:
            self._service.reload(tenant, key)
        self._saved.clear()


def _identity(delivery: Delivery) -> Identity:
    event = delivery.entry.event
    assert event.key is not None, "the services of stateful actors are keyed"
    return event.tenant, event.key
