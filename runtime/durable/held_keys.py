"""Strict order: the keys of a service that wait for an entry of theirs to be tried again.

    it fails -> its hold is part of the commit, its key is held -> due -> it starts again, before the rest of its key
    it is done, or a dead letter -> its hold is forgotten in the same commit, its key goes on

The entry stays where it is in the log, without an outcome, so that whoever reads the log meets it before the later
ones of its key, also after a crash and in another process. The hold says which attempt is next, and when.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

import msgspec

from actors.context import Clock
from runtime.core.scheduler import Scheduler
from runtime.durable.backlog import Backlog
from runtime.durable.journal import RETRY_SECONDS
from runtime.errors import StoreUnavailableError
from runtime.store.port import Store
from runtime.store.records import Entry, Hold

PAGE = 10_000
"""How many holds one statement reads."""

Key = tuple[str, str | None]
"""Tenant and key, which is never None where something is held."""


class HeldBack(msgspec.Struct):
    """What a chunk leaves of a key: the entry that failed, as its next attempt, and those it did not run after it."""

    due_at: float
    entries: list[Entry]


class HeldKeys:
    """The held keys of one life of a service."""

    def __init__(
        self,
        service: str,
        store: Store,
        backlog: Backlog,
        clock: Clock,
        *,
        fair: Scheduler[Entry],
        pump: Callable[[], None],
    ) -> None:
        self._service = service
        self._store = store
        self._backlog = backlog
        self._clock = clock
        self._fair = fair
        self._pump = pump
        self._known: dict[int, Hold] = {}
        """Holds that the store has of entries not seen yet."""
        self._due: list[tuple[float, Key]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    async def learn(self) -> None:
        """Read what the store knows of entries that are about to be pushed."""
        found: dict[int, Hold] = {}
        page: list[Hold] | None = None
        while page is None or len(page) == PAGE:
            try:
                page = await self._store.holds(self._service, max(found, default=0), PAGE)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            found.update((hold.seq, hold) for hold in page)
        self._known = found

    def push(self, entry: Entry) -> None:
        """Let an entry wait, behind its key's hold or as the one that is held."""
        event, fair = entry.event, self._fair
        hold = self._known.pop(entry.seq, None)
        if event.key is None:
            fair.push(event.tenant, None, entry)
            return
        if hold is None:
            fair.push(event.tenant, event.key, entry)
        else:
            again = msgspec.structs.replace(entry, event=msgspec.structs.replace(event, attempt=hold.attempt))
            fair.hold_key(event.tenant, event.key, [again])
            self._expect(hold.due_at, (event.tenant, event.key))
        if fair.holds_key(event.tenant, event.key):
            self._backlog.excuse((entry,))

    def hold(self, key: Key, back: HeldBack) -> None:
        """Hold a key of which entries are about to complete."""
        self._backlog.returned(back.entries)
        self._fair.hold_key(*_named(key), back.entries)
        self._backlog.excuse(self._fair.behind_key(*_named(key)))
        self._expect(back.due_at, key)

    def end(self) -> None:
        """This life of the service is over."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()

    @property
    def next_due(self) -> float | None:
        """When the next of them is tried again."""
        return self._due[0][0] if self._due else None

    def look(self) -> None:
        """Let those go on that are due."""
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            self._fair.resume_key(*_named(key))
        self._set_timer()
        self._pump()

    def _expect(self, due_at: float, key: Key) -> None:
        heapq.heappush(self._due, (due_at, key))
        if self._due[0][1] == key:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._due and not self._ended:
            seconds = max(0.0, self._due[0][0] - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(seconds, self.look)


def _named(key: Key) -> tuple[str, str]:
    tenant, name = key
    assert name is not None, "what has no key is not held"
    return tenant, name
