"""The outbox's part of the store port: what transactions of others accepted, on its way to the log."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

import msgspec


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """An event in the outbox. Nothing but its form has been checked; `type` is None for the only one there is."""

    place: int
    id: UUID
    service: str
    tenant: str
    key: str | None
    type: str | None
    payload: bytes
    accepted_at: float
    enqueued_by: str
    headers: bytes | None = None
    delay_seconds: float = 0.0


class SqlConnection(Protocol):
    """A connection of the caller's own, such as asyncpg's."""

    async def execute(self, query: str, *args: Any) -> Any: ...


class OutboxStore(Protocol):
    """What is moved is taken out by the batch that writes it: see `Extras.taken`."""

    async def put(self, connection: SqlConnection, posted: Posted) -> None:
        """Put an event there by a statement on `connection`. `place` does not count; an id put twice is harmless."""
        ...

    async def waiting(self, limit: int) -> list[Posted]:
        """The first `limit` that are committed, in the order of their places."""
        ...

    async def find(self, event_id: UUID) -> Posted | None: ...

    async def set_limits(self, max_payload_bytes: int, max_delay_seconds: float) -> None:
        """What those who do not ask an app are refused."""
        ...
