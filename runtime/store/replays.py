"""The part of the store port that finds stored events to run again. Times are seconds since the epoch (UTC)."""

from __future__ import annotations

from typing import Literal, Protocol
from uuid import UUID

import msgspec

from runtime.store.audit import AuditEntry
from runtime.store.records import Event, OutcomeKind

ReplayOutcome = Literal["completed", "failed", "aborted"]
KINDS: dict[ReplayOutcome, OutcomeKind] = {
    "completed": OutcomeKind.DONE,
    "failed": OutcomeKind.DEAD,
    "aborted": OutcomeKind.ABORTED,
}


class ReplayFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which events of the log: those that have ended, and were made within a time; or those named by `ids`."""

    service: str | None = None
    tenant: str | None = None
    type: str | None = None
    outcome: ReplayOutcome | None = None
    since: float | None = None
    until: float | None = None
    ids: list[UUID] | None = None


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to run events again, and how far it has got: `position` is the id of the last event looked at.

    Those `refused` are dead letters that say why.
    """

    id: UUID
    by: str
    at: float
    which: ReplayFilter
    to: str | None
    matched: int
    replayed: int = 0
    refused: int = 0
    position: UUID = UUID(int=0)
    finished_at: float | None = None


class Looked(msgspec.Struct, frozen=True):
    """What one bounded look found, in the order of ids; `last` is None where there is nothing more to look at.

    `completed` names those of the events that did not end otherwise.
    """

    events: list[Event]
    last: UUID | None
    completed: frozenset[UUID] = frozenset()


class ReplayStore(Protocol):
    """Requests. Their progress goes with the batch that holds the new events: see `Extras.replays`."""

    async def request(self, request: ReplayRequest, audit: AuditEntry) -> None:
        """Note a request and who made it. One that is known stays as it is."""
        ...

    async def find(self, request_id: UUID) -> ReplayRequest | None: ...

    async def unfinished(self, limit: int) -> list[ReplayRequest]: ...

    async def look(self, which: ReplayFilter, after: UUID, before: UUID, limit: int, *, payloads: bool) -> Looked:
        """Look at up to `limit` events with ids between two, and give those that the filter matches."""
        ...
