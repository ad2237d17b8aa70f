"""Events that may take the process down: found out by running those in flight at a crash under a written start mark.

    unclean stop -> each event that may have been running:
        first start   with others of its kind; marked
        marked before alone among the suspects; marked again
        three marks   never started again: a dead letter

Only the guilty collects marks: what runs beside it is marked once, then runs alone, and its outcome is on disk before
the next suspect starts. Events enqueued after the crash run as ever, and normal running asks one flag a chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from actors.errors import ActorError
from runtime.errors import StoreUnavailableError
from runtime.store.port import Store
from runtime.store.records import Entry, QueueState

MAX_STARTS = 3
"""How often an event may be started in suspect mode without coming to an end."""
REVIEW_SECONDS = 1.0
RETRY_SECONDS = 0.2


class TookProcessDownError(ActorError):
    """An event was running at so many crashes that it is not started any more."""


class _Tail:
    """How far a queue's entries are suspects. Only so many can have been in flight; behind them nothing more is one."""

    __slots__ = ("highest", "left", "seq", "shards")

    def __init__(self, shards: frozenset[int], seq: int, in_flight: int) -> None:
        self.shards = shards
        self.seq = seq
        self.left = in_flight
        self.highest = 0

    def extend(self, other: _Tail) -> None:
        """Suspect what another crash left, too."""
        self.shards |= other.shards
        self.seq = max(self.seq, other.seq)
        self.left += other.left

    def count(self, seq: int) -> None:
        self.left -= 1
        self.highest = max(self.highest, seq)
        if self.left == 0:
            self.seq = self.highest


class Suspects:
    """Which events are suspects, and which of them may run at the same time."""

    def __init__(
        self,
        store: Store,
        flush: Callable[[], Awaitable[None]],
        watermark_of: Callable[[int], int | None],
        shard: Callable[[Entry], int],
    ) -> None:
        self._store = store
        self._flush = flush
        self._watermark_of = watermark_of
        self._shard = shard
        self._starts: dict[int, int] = {}
        """Marks of earlier runs, by seq."""
        self._marked: set[int] = set()
        self._tails: dict[int, _Tail] = {}
        """By queue."""
        self._inside: dict[object, tuple[str, bool]] = {}
        self._loners = 0
        self._unwritten: dict[int, int] = {}
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._began = asyncio.Event()
        self.active = False

    @property
    def shards(self) -> frozenset[int]:
        """The shards in which there are suspects."""
        return frozenset().union(*(tail.shards for tail in self._tails.values()))

    def begin(
        self,
        shards: frozenset[int],
        starts: Mapping[int, int],
        queues: Iterable[QueueState],
        services: Collection[str],
        in_flight: int,
    ) -> None:
        """Suspect what a crashed process may have started: of each queue the first `in_flight` of what it left."""
        self._starts |= starts
        for queue in queues:
            if queue.service in services and queue.last_seq > queue.watermark:
                tail = _Tail(shards, queue.last_seq, in_flight)
                if queue.id in self._tails:
                    self._tails[queue.id].extend(tail)
                else:
                    self._tails[queue.id] = tail
        if self._tails:
            self.active = True
            self._began.set()

    def concern(self, entry: Entry) -> bool:
        """Whether an entry is a suspect."""
        tail = self._tails.get(entry.queue)
        return tail is not None and entry.seq <= tail.seq and self._shard(entry) in tail.shards

    def give_up(self, shards: frozenset[int]) -> None:
        """Suspect nothing in shards that another process owns from now on."""
        for queue, tail in list(self._tails.items()):
            tail.shards -= shards
            if not tail.shards:
                del self._tails[queue]

    def known(self, entry: Entry) -> bool:
        """Whether an entry was marked by an earlier run, so that it has to run alone."""
        return entry.seq in self._starts

    def condemned(self, entry: Entry) -> TookProcessDownError | None:
        """Why an entry must not be started again, if it must not."""
        if self._starts.get(entry.seq, 0) < MAX_STARTS:
            return None
        return TookProcessDownError(f"took the process down: it was running when it ended, {MAX_STARTS} times in a row")

    async def enter(self, run: object, service: str, entries: Sequence[Entry]) -> None:
        """Wait until `entries`, one of them if it is known, may start, and mark them. `leave` must follow."""
        alone = any(self.known(entry) for entry in entries)
        self._loners += alone
        try:
            while self._inside if alone else self._loners or self._has_loner():
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._loners -= alone
            self._changed.set()
        self._inside[run] = (service, alone)
        await self._flush()  # what ended before must not be found without outcome, if one of these ends the process
        await self._mark([entry for entry in entries if entry.seq not in self._marked])

    def leave(self, run: object) -> None:
        """The entries of a run have ended. Safe for one that is not inside."""
        if self._inside.pop(run, None) is not None:
            self._changed.set()

    def rest(self, entries: Iterable[Entry]) -> None:
        """Entries have failed and will be started again: their marks are gone with that, and due anew then."""
        for entry in entries:
            self._starts.pop(entry.seq, None)
            self._marked.discard(entry.seq)

    def forget(self, service: str) -> None:
        """A service has stopped, with whatever it was running."""
        for run in [run for run, (name, _) in self._inside.items() if name == service]:
            self.leave(run)
        self._changed.set()

    def detail(self) -> str | None:
        """What a person should know of its state."""
        if not self.active:
            return None
        return f"after a crash: {len(self._tails)} queues run what was in flight under a start mark"

    async def run(self) -> None:
        """End the suspicion when what was in flight has passed, for ever."""
        while True:
            await self._began.wait()
            self._began.clear()
            while self.active:
                await asyncio.sleep(REVIEW_SECONDS)
                self._review()
                if not self._tails and not self._inside:
                    await self._clear()

    def _review(self) -> None:
        for queue, tail in list(self._tails.items()):
            watermark = self._watermark_of(queue)
            if watermark is None or watermark >= tail.seq:
                del self._tails[queue]

    async def _clear(self) -> None:
        try:
            await self._store.clear_marks()
        except StoreUnavailableError:
            return
        if self._tails:  # another process has crashed meanwhile
            return
        self.active = False
        self._starts.clear()
        self._marked.clear()

    async def _mark(self, entries: Sequence[Entry]) -> None:
        starts = {entry.seq: self._starts.get(entry.seq, 0) + 1 for entry in entries}
        self._unwritten |= starts
        async with self._writing:
            if not self._unwritten.keys().isdisjoint(starts):  # else the statement before wrote them too
                await self._write_marks()
        for entry in entries:
            self._marked.add(entry.seq)
            if tail := self._tails.get(entry.queue):
                tail.count(entry.seq)

    async def _write_marks(self) -> None:
        """Write what every run that waits has to mark, in one statement."""
        starts, self._unwritten = self._unwritten, {}
        try:
            while True:
                try:
                    await self._store.mark_started(starts)
                except StoreUnavailableError:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    return
        except BaseException:
            self._unwritten |= starts
            raise

    def _has_loner(self) -> bool:
        return any(alone for _, alone in self._inside.values())
