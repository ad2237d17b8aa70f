"""The JSON of replays that HTTP and the command line show."""

from __future__ import annotations

from uuid import UUID

import msgspec

from runtime.store.replays import ReplayRequest
from runtime.views import Time, utc


class ReplayJson(msgspec.Struct, frozen=True, kw_only=True):
    """A replay by filter: of the events `matched` when it was asked for, so many are `replayed`, as new events.

    Those `refused` do not run, and are dead letters that say why.
    """

    id: UUID
    at: Time
    by: str
    to: str | None
    matched: int
    replayed: int
    refused: int
    finished_at: Time | None


class MatchedJson(msgspec.Struct, frozen=True):
    """How many events a filter matches, or at least matches where there are very many. Nothing was done."""

    matched: int


def replay_json(request: ReplayRequest) -> ReplayJson:
    return ReplayJson(
        id=request.id,
        at=utc(request.at),
        by=request.by,
        to=request.to,
        matched=request.matched,
        replayed=request.replayed,
        refused=request.refused,
        finished_at=None if request.finished_at is None else utc(request.finished_at),
    )
