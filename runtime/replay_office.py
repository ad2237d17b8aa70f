"""Replays for people and programs: ask for one, follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import msgspec

from actors.context import Clock
from runtime.durable.admission import Admission, require_name
from runtime.durable.ids import IdSource, require_id
from runtime.durable.replays import LOOKED_AT, bounds_of
from runtime.errors import FilterTooWideError, InvalidInputError, NotFoundError
from runtime.store.audit import AuditEntry
from runtime.store.replays import ReplayFilter, ReplayRequest, ReplayStore

MAX_IDS = 1000
COUNT_SECONDS = 10.0
"""How long the events that a filter matches are counted; then it matches at least so many."""
POLL_SECONDS = 0.1


class ReplayOperations(Protocol):
    """Replays of an app that runs."""

    async def count(self, which: ReplayFilter) -> int:
        """How many stored events the filter matches now, or at least matches, where there are very many."""
        ...

    async def start(
        self,
        which: ReplayFilter,
        *,
        by: str,
        to: str | None = None,
        confirm: bool = False,
        request_id: UUID | None = None,
    ) -> ReplayRequest:
        """Run the events that have ended and match a filter again, each once, through `to` or their own service.

        Returns when the request is on disk; the rest outlives a crash. `request_id` is a UUIDv7: asking twice with one
        id is harmless. Replayed are events older than it.

        Raises:
            FilterTooWideError: it matches more than `Settings.max_replay` events, and `confirm` is not given.
            InvalidInputError: a field of the filter; `to` does not take the type that the filter names.
            UnknownServiceError: no service has the name of `to`.
        """
        ...

    async def view(self, request_id: UUID) -> ReplayRequest:
        """Raises NotFoundError."""
        ...

    async def wait(self, request_id: UUID) -> ReplayRequest:
        """Return when it is done: every new event is accepted. Raises NotFoundError."""
        ...


class ReplayOffice:
    """See `ReplayOperations`."""

    def __init__(
        self, store: ReplayStore, admission: Admission, clock: Clock, *, limit: int, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._admission = admission
        self._clock = clock
        self._limit = limit
        self._wake = wake
        self._ids = IdSource(clock.now)

    async def count(self, which: ReplayFilter) -> int:
        _require_filter(which)
        return await self._count(self._request(which, "", None, self._ids.new_id()))

    async def start(
        self,
        which: ReplayFilter,
        *,
        by: str,
        to: str | None = None,
        confirm: bool = False,
        request_id: UUID | None = None,
    ) -> ReplayRequest:
        require_name("by", by)
        _require_filter(which)
        if to is not None:
            self._require_target(to, which)
        request = self._request(which, by, to, self._ids.new_id() if request_id is None else require_id(request_id))
        known = await self._store.find(request.id)
        if known is not None:
            return known
        matched = await self._count(request)
        if matched > self._limit and not confirm:
            raise FilterTooWideError(
                "filter", f"matches {matched:,} events; more than {self._limit:,} need to be confirmed (confirm, --yes)"
            )
        request = msgspec.structs.replace(request, matched=matched)
        text = msgspec.json.encode(which).decode()
        audit = AuditEntry(action="replay", by=by, at=request.at, subject=request.id, target=to, detail=text)
        await self._store.request(request, audit)
        self._wake()
        return await self.view(request.id)

    async def view(self, request_id: UUID) -> ReplayRequest:
        found = await self._store.find(request_id)
        if found is None:
            raise NotFoundError(f"no replay has the id {request_id}")
        return found

    async def wait(self, request_id: UUID) -> ReplayRequest:
        while True:
            found = await self.view(request_id)
            if found.finished_at is not None:
                return found
            await asyncio.sleep(POLL_SECONDS)

    def _request(self, which: ReplayFilter, by: str, to: str | None, request_id: UUID) -> ReplayRequest:
        return ReplayRequest(id=request_id, by=by, at=self._clock.now(), which=which, to=to, matched=0)

    async def _count(self, request: ReplayRequest) -> int:
        after, end = bounds_of(request)
        deadline, count = self._clock.monotonic() + COUNT_SECONDS, 0
        while True:
            looked = await self._store.look(request.which, after, end, LOOKED_AT, payloads=False)
            count += len(looked.events)
            if looked.last is None or self._clock.monotonic() > deadline:
                return count
            after = looked.last

    def _require_target(self, to: str, which: ReplayFilter) -> None:
        codec = self._admission.codec(to)
        if which.type is not None and not self._admission.takes(codec, which.type):
            raise InvalidInputError("to", f"{to} does not take {which.type!r}; it takes {', '.join(codec.names)}")


def _require_filter(which: ReplayFilter) -> None:
    for field in ("service", "tenant"):
        value = getattr(which, field)
        if value is not None:
            require_name(field, value)
    if which.ids is not None and not 1 <= len(which.ids) <= MAX_IDS:
        raise InvalidInputError("ids", f"must be between 1 and {MAX_IDS:,}, not {len(which.ids):,}")
    if which.since is not None and which.until is not None and which.since >= which.until:
        raise InvalidInputError("until", "must be later than since")
