"""Who did what, when: what the store keeps of it. Times are seconds since the epoch (UTC)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a person or a program did: to an event (`subject`), or to what `target` names, such as a service."""

    action: str
    by: str
    at: float
    subject: UUID | None = None
    target: str | None = None
    detail: str | None = None


class AuditLine(AuditEntry, frozen=True, kw_only=True):
    """One as it was noted; `id` grows in the order of noting."""

    id: int


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines to list: newest first, at most `limit`, older than the line `before`."""

    by: str | None = None
    action: str | None = None
    subject: UUID | None = None
    target: str | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 50
    before: int | None = None


class AuditStore(Protocol):
    """The audit's part of the store port: nothing in it is ever changed. What concerns a batch goes with that."""

    async def note(self, entries: Sequence[AuditEntry]) -> None: ...

    async def lines(self, which: AuditFilter) -> list[AuditLine]: ...
