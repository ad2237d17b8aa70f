"""Waiting events: a bounded window of each queue in memory, the rest in the log.

A queue is one tenant's events for one service. While its window has room, a committed event goes straight from the
commit to the service. Once it is full, further events stay in the log and the window is refilled from there. Starting
after a crash is the same refill, from the watermark on.

The log is shared with other processes. Each appends to it what belongs to any of them, and tells by an arrival where
that was not itself. Up to `position` everything is known: between it and a commit of one's own the arrivals are read
before the commit's entries are handed over, so that no entry is overtaken by a later one of its key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from runtime.core.fair_share import Taken
from runtime.core.lease import DEFAULT_SHARDS, NO_EVENT, in_shard, shard_of
from runtime.durable.consumer import Consumer
from runtime.durable.crash_points import reach
from runtime.durable.journal import RETRY_SECONDS
from runtime.durable.lines import Line, Queue
from runtime.errors import StoreUnavailableError
from runtime.store.membership import Arrival
from runtime.store.port import Store
from runtime.store.records import Entry, QueueState

LOGGER = logging.getLogger("postroom.backlog")

WATERMARK_SECONDS = 1.0
"""How often the progress of the watermarks is written down."""
ARRIVALS = 1000
"""How many commits of others are read at once."""


class Backlog:
    """The queues of all services, as far as the shards of this process go."""

    def __init__(self, store: Store, window: int, count: int = DEFAULT_SHARDS) -> None:
        self._store = store
        self._window = window
        self.count = count
        self.shards: frozenset[int] = frozenset()
        """Its own, of `count` in all."""
        self._queues: dict[int, Queue] = {}
        self._consumers: dict[str, Consumer] = {}
        self._hungry: dict[int, None] = {}
        self._divided: set[int] = set()
        """Queues of more than one line."""
        self._moved: set[int] = set()
        self._wake = asyncio.Event()
        self._progress: asyncio.Future[None] | None = None
        self._watched: dict[int, asyncio.Event] = {}
        self.position = 0
        """The seq up to which it knows all that was appended to its shards."""

    @property
    def whole(self) -> bool:
        """Whether every shard is its own."""
        return len(self.shards) == self.count

    async def grant(self, shards: frozenset[int], states: Sequence[QueueState]) -> None:
        """Serve more shards, from the watermarks of the queues on, while no commit of this process is under way.

        `states` were read when the shards were one's own.
        """
        if not shards:
            return
        for consumer in tuple(self._consumers.values()):
            await consumer.learn_holds()
        end = max((state.last_seq for state in states), default=0)
        if self.shards:
            await self._reach(end)
        self.position = max(self.position, end)
        own = self.shards | shards
        for state in states:
            queue = self._queues.get(state.id)
            if queue is None:
                line = Line(own, state.watermark, state.last_seq)
                queue = self._queues[state.id] = Queue(state.id, state.service, state.tenant, line)
            else:
                queue.lines.append(Line(shards, state.watermark, state.last_seq))
                self._divided.add(state.id)
            self._feed(queue)
        self.shards = own
        self.unite()

    def give_up(self, shards: frozenset[int], waiting: Iterable[Entry]) -> None:
        """Serve shards no more. Nothing of them runs, and all of them that waits in memory is `waiting`."""
        left: dict[int, list[tuple[int, int]]] = {}
        for entry in waiting:
            left.setdefault(entry.queue, []).append((self.shard(entry), entry.seq))
        self.shards -= shards
        for queue in self._queues.values():
            queue.forget(shards, left.get(queue.id, ()))
        self._report_progress()

    def unite(self) -> None:
        """Let lines that have caught up with each other be one, while no commit of this process is under way."""
        for queue_id in list(self._divided):
            queue = self._queues[queue_id]
            queue.unite(self.position)
            if len(queue.lines) <= 1:
                self._divided.discard(queue_id)

    def attach(self, service: str, consumer: Consumer) -> None:
        """Feed a service from its watermarks on. It must have forgotten every entry it was given before."""
        self._consumers[service] = consumer
        for queue in self._queues.values():
            if queue.service == service and queue.restart(self.shards) is not None:
                self._divided.discard(queue.id)
                self._feed(queue)

    def detach(self, service: str) -> None:
        self._consumers.pop(service, None)

    def shard(self, entry: Entry) -> int:
        event = entry.event
        return shard_of(event.tenant, event.key, self.count, event.id)

    def shard_of_key(self, tenant: str, key: str) -> int:
        return shard_of(tenant, key, self.count, NO_EVENT)

    def beside(self, made: UUID, tenant: str, key: str) -> UUID:
        """The id for an event without a key that is to run in the process that has a key."""
        return made if self.whole else in_shard(made, self.shard_of_key(tenant, key), self.count)

    async def admit(self, entries: Sequence[Entry]) -> None:
        """Take entries that this process has committed, in log order, before it commits others."""
        if entries:
            if entries[0].seq > self.position + 1:
                await self._reach(entries[0].seq - 1)
            self._take(entries)

    async def catch_up(self) -> bool:
        """Learn what others appended, while no commit of this process is under way; whether there may be more.

        Raises:
            StoreUnavailableError: nothing was learned.
        """
        arrivals = await self._store.arrivals(self.position, ARRIVALS)
        await self._learn(arrivals)
        self.unite()
        return len(arrivals) == ARRIVALS

    def started(self, queue_id: int, chunk: Sequence[Taken[Entry]]) -> None:
        """Entries left the window of a queue."""
        queue = self._queues[queue_id]
        if len(queue.lines) == 1:
            line = queue.lines[0]
            if line.excused:
                line.leave(taken.entry.seq for taken in chunk)
            else:
                line.waiting -= len(chunk)
            if line.waiting <= self._window // 2:
                self._feed(queue)
            return
        for taken in chunk:
            queue.line_of(self.shard(taken.entry)).leave((taken.entry.seq,))
        self._feed(queue)

    def returned(self, entries: Iterable[Entry]) -> None:
        """Entries that had started wait again."""
        for entry in entries:
            self._queues[entry.queue].line_of(self.shard(entry)).waiting += 1

    def excuse(self, entries: Iterable[Entry]) -> None:
        """Entries wait behind a held key: others must not wait for room because of them, within reason."""
        queue = None
        for entry in entries:
            queue = self._queues[entry.queue]
            line = queue.line_of(self.shard(entry))
            line.excuse(entry.seq, self._window)
        if queue is not None:
            self._feed(queue)

    def recorded(self, queue_id: int, seqs: Sequence[int]) -> None:
        """The outcomes of entries of a queue are on disk."""
        self._queues[queue_id].done(seqs)
        if self._watched:
            self._tell_watchers(seqs)
        self._moved.add(queue_id)
        self._report_progress()

    async def appended_ended(self, entry: Entry) -> None:
        """Know of an entry that this process has appended together with its outcome, before it commits others."""
        if entry.seq > self.position + 1:
            await self._reach(entry.seq - 1)
        await self._learn([Arrival(entry.seq, ((entry.queue, self.shard(entry)),))])
        self.tell_ended(entry.seq)

    def skip(self, entry: Entry) -> None:
        """An entry that was read into memory turned out to have its outcome."""
        if any(entry.seq in line.watermark for line in self._queues[entry.queue].lines):
            self.recorded(entry.queue, [entry.seq])

    def tell_ended(self, seq: int) -> None:
        """The outcome of an entry was written that may not have been read into memory."""
        if self._watched:
            self._tell_watchers([seq])
        self._report_progress()

    def watermark_of(self, queue_id: int) -> int | None:
        """The seq up to which every own entry of a known queue has its outcome on disk; None without shards."""
        queue = self._queues.get(queue_id)
        return None if queue is None else queue.watermark

    async def wait_recorded(self, seq: int | None, seconds: float) -> None:
        """Return when the outcome of an entry is recorded by this process, or after so many seconds."""
        if seq is None:
            await asyncio.sleep(seconds)
            return
        recorded = self._watched.setdefault(seq, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await recorded.wait()
        except TimeoutError:
            if self._watched.get(seq) is recorded:
                del self._watched[seq]

    def _tell_watchers(self, seqs: Sequence[int]) -> None:
        for seq in self._watched.keys() & set(seqs):
            self._watched.pop(seq).set()

    def progress(self) -> asyncio.Future[None]:
        """A future that is done when an outcome is recorded, or an entry admitted, after this call."""
        if self._progress is None:
            self._progress = asyncio.get_running_loop().create_future()
        return self._progress

    def unfinished(self, service: str) -> bool:
        """Whether any entry of a service in own shards has no recorded outcome yet."""
        return any(queue.unfinished for queue in self._queues.values() if queue.service == service)

    def behind(self, service: str) -> bool:
        """Whether any entry of a service in own shards is still to be read into its window."""
        return any(queue.behind for queue in self._queues.values() if queue.service == service)

    def detail(self) -> str | None:
        """What a person should know of its state."""
        orphans = sorted({q.service for q in self._queues.values() if q.behind and q.service not in self._consumers})
        return f"events wait for services that do not run: {', '.join(orphans)}" if orphans else None

    async def run_refill(self) -> None:
        """Refill windows as they run low, for ever."""
        while True:
            while not self._hungry:
                self._wake.clear()
                await self._wake.wait()
            queue = self._queues[next(iter(self._hungry))]
            try:
                await self._refill(queue)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)

    async def run_watermarks(self) -> None:
        """Write the progress of the watermarks down now and then, for ever."""
        while True:
            await asyncio.sleep(WATERMARK_SECONDS)
            try:
                await self.save_watermarks()
            except StoreUnavailableError as error:
                LOGGER.debug("watermarks are kept for later: %s", error)

    async def save_watermarks(self) -> None:
        moved, self._moved = self._moved, set()
        if moved:
            reach("watermarks.before_save")
            try:
                await self._save_watermarks(moved)
            except StoreUnavailableError:
                self._moved |= moved
                raise
            reach("watermarks.after_save")

    async def _save_watermarks(self, moved: Collection[int]) -> None:
        if self.whole:
            known = {key: self._queues[key].watermark for key in moved}
            await self._store.advance_watermarks({key: value for key, value in known.items() if value is not None})
        else:
            await self._store.raise_watermarks(sorted(moved))

    async def _reach(self, seq: int) -> None:
        """Learn what others appended up to a number. The commit that follows it was made, so this has to succeed."""
        while self.position < seq:
            try:
                arrivals = await self._store.arrivals(self.position, ARRIVALS)
                own = [arrival for arrival in arrivals if arrival.seq <= seq]
                await self._learn(own)
                if len(own) < ARRIVALS:
                    self.position = max(self.position, seq)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)

    async def _learn(self, arrivals: Sequence[Arrival]) -> None:
        if not arrivals:
            return
        tails: dict[tuple[int, int], int] = {}
        for arrival in arrivals:
            tails.update(dict.fromkeys(arrival.touched, arrival.seq))
        strange = {queue for queue, shard in tails if shard in self.shards and queue not in self._queues}
        for state in await self._store.queues_by_id(sorted(strange)) if strange else ():
            line = Line(self.shards, state.watermark, state.last_seq)
            self._queues[state.id] = Queue(state.id, state.service, state.tenant, line)
        self._raise_tails(tails)
        self.position = max(self.position, arrivals[-1].seq)

    def _raise_tails(self, tails: Mapping[tuple[int, int], int]) -> None:
        touched: set[int] = set()
        for (queue_id, shard), seq in tails.items():
            if shard in self.shards:
                line = self._queues[queue_id].line_of(shard)
                line.tail = max(line.tail, seq)
                touched.add(queue_id)
        for queue_id in touched:
            self._feed(self._queues[queue_id])
        self._report_progress()

    def _take(self, entries: Sequence[Entry]) -> None:
        touched: dict[str, Consumer] = {}
        queues, consumers, window, whole = self._queues, self._consumers, self._window, self.whole
        for entry in entries:
            if not whole and self.shard(entry) not in self.shards:
                continue
            queue = queues.get(entry.queue) or self._add_queue(entry)
            lines = queue.lines
            line = lines[0] if len(lines) == 1 else queue.line_of(self.shard(entry))
            seq, tail = entry.seq, line.tail
            if seq <= tail:
                continue
            line.tail = seq
            if line.loaded >= tail and line.waiting < window and queue.service in consumers:
                touched[queue.service] = consumer = consumers[queue.service]
                self._load(line, entry, consumer)
        self.position = max(self.position, entries[-1].seq)
        for consumer in touched.values():
            if len(entries) == 1:
                consumer.pump()
            else:  # who waited for this commit goes on first, so that the next one is under way while handlers run
                asyncio.get_running_loop().call_soon(consumer.pump)
        self._report_progress()

    async def _refill(self, queue: Queue) -> None:
        consumer = self._consumers.get(queue.service)
        line = next((line for line in queue.lines if self._is_hungry(line)), None)
        if consumer is None or line is None:
            self._hungry.pop(queue.id, None)
            return
        await self._read(queue, line, consumer)
        if not any(self._is_hungry(each) for each in queue.lines):
            self._hungry.pop(queue.id, None)

    async def _read(self, queue: Queue, line: Line, consumer: Consumer) -> None:
        room = self._window - line.waiting
        tail, loaded, shards = line.tail, line.loaded, line.shards
        chosen = None if len(shards) == self.count else shards
        entries = await self._store.read_pending(queue.id, loaded, room, chosen)
        unchanged = line in queue.lines and line.loaded == loaded and line.shards is shards
        if self._consumers.get(queue.service) is not consumer or not unchanged:
            return
        for entry in entries:
            self._load(line, entry, consumer)
        line.tail = max(line.tail, line.loaded)
        if len(entries) < room:
            line.loaded = max(line.loaded, tail)
            line.watermark.advance_to(line.loaded)
            self._moved.add(queue.id)
            self._report_progress()
        consumer.pump()

    def _report_progress(self) -> None:
        if self._progress is not None:
            self._progress.set_result(None)
            self._progress = None

    def _load(self, line: Line, entry: Entry, consumer: Consumer) -> None:
        line.loaded = entry.seq
        line.waiting += 1
        line.watermark.load(entry.seq)
        consumer.push(entry)

    def _is_hungry(self, line: Line) -> bool:
        return line.behind and line.waiting <= self._window // 2

    def _feed(self, queue: Queue) -> None:
        if queue.behind and queue.id not in self._hungry:
            self._hungry[queue.id] = None
            self._wake.set()

    def _add_queue(self, entry: Entry) -> Queue:
        event = entry.event
        line = Line(self.shards, entry.seq - 1, entry.seq - 1)
        queue = self._queues[entry.queue] = Queue(entry.queue, event.service, event.tenant, line)
        return queue
