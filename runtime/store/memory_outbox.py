"""The outbox of the in-memory store. There is no transaction of others that it could join."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from runtime.errors import ConflictError
from runtime.store.outbox import Posted, SqlConnection


class MemoryOutbox:
    """`runtime.store.outbox.OutboxStore`."""

    def __init__(self) -> None:
        self._posted: dict[int, Posted] = {}
        self._last = 0

    async def put(self, connection: SqlConnection, posted: Posted) -> None:  # noqa: ARG002 # it belongs to a database
        self.add(posted)

    def add(self, posted: Posted) -> None:
        """As `put`."""
        if all(each.id != posted.id for each in self._posted.values()):
            self._last += 1
            self._posted[self._last] = msgspec.structs.replace(posted, place=self._last)

    async def waiting(self, limit: int) -> list[Posted]:
        return list(self._posted.values())[:limit]

    async def find(self, event_id: UUID) -> Posted | None:
        return next((posted for posted in self._posted.values() if posted.id == event_id), None)

    async def set_limits(self, max_payload_bytes: int, max_delay_seconds: float) -> None:
        """Everything comes through an app, which knows them."""

    def require(self, places: Sequence[int]) -> None:
        """Raise ConflictError unless all of them are there."""
        if any(place not in self._posted for place in places):
            raise ConflictError("another process has moved it")

    def take(self, places: Sequence[int]) -> None:
        for place in places:
            del self._posted[place]
