"""The part of the store port that ends jobs before they are done."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

import msgspec

from runtime.store.records import Batch, Entry, Outcome


class AbortOrder(msgspec.Struct, frozen=True):
    """Who wants a job to end, when, and why."""

    id: UUID
    by: str
    at: float
    reason: str | None = None

    @property
    def text(self) -> str:
        return f"by {self.by}: {self.reason}" if self.reason else f"by {self.by}"


class AbortStore(Protocol):
    """Orders to abort. One that is carried out is forgotten by the same commit: see `Extras.aborted`."""

    async def order(self, order: AbortOrder) -> None:
        """The first order for a job counts."""
        ...

    async def orders(self, limit: int) -> list[AbortOrder]: ...

    async def withdraw(self, job_id: UUID) -> None: ...

    async def end_waiting(self, batch: Batch, outcome: Outcome) -> list[Entry]:
        """End a delayed event, which is the first event of the batch: it joins the log with its outcome at once.

        The outcome's `seq` does not count. Returns the places of the batch's events, that one included. Raises as
        `Store.commit`, and `Store.resolve` tells of a lost answer.

        Raises:
            ConflictError: it is not delayed any more; nothing was written.
        """
        ...
