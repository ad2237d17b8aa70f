"""Orders to abort jobs, of the in-memory store."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from runtime.store.aborts import AbortOrder
from runtime.store.records import Batch, Entry, Outcome

EndWaiting = Callable[[Batch, Outcome], list[Entry]]


class MemoryAborts:
    """`runtime.store.aborts.AbortStore`."""

    def __init__(self, orders: dict[UUID, AbortOrder], end_waiting: EndWaiting) -> None:
        self._orders = orders
        self._end_waiting = end_waiting

    async def order(self, order: AbortOrder) -> None:
        self._orders.setdefault(order.id, order)

    async def orders(self, limit: int) -> list[AbortOrder]:
        return sorted(self._orders.values(), key=lambda order: order.id)[:limit]

    async def withdraw(self, job_id: UUID) -> None:
        self._orders.pop(job_id, None)

    async def end_waiting(self, batch: Batch, outcome: Outcome) -> list[Entry]:
        return self._end_waiting(batch, outcome)
