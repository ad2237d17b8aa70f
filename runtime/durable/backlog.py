"""Waiting events: a bounded window of each queue in memory, the rest in the log.

A queue is one tenant's events for one service. While its window has room, a committed event goes straight from the
commit to the service. Once it is full, further events stay in the log and the window is refilled from there. Starting
after a crash is the same refill, from the watermark on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from runtime.core.watermark import LowWatermark
from runtime.durable.crash_points import reach
from runtime.durable.journal import RETRY_SECONDS
from runtime.errors import StoreUnavailableError
from runtime.store.port import Store
from runtime.store.records import Entry, QueueState

LOGGER = logging.getLogger("postroom.backlog")

WATERMARK_SECONDS = 1.0
"""How often the progress of the watermarks is written down."""


class Consumer(Protocol):
    """A service that takes entries."""

    def push(self, entry: Entry) -> None: ...

    def pump(self) -> None: ...


class Queue:
    """What is known of one tenant's events for one service.

    `loaded` is the seq up to which the log has been read into the window, `tail` the highest seq known to exist. The
    window holds all that waits when the two are equal.
    """

    __slots__ = ("id", "loaded", "service", "tail", "tenant", "waiting", "watermark")

    def __init__(self, queue_id: int, service: str, tenant: str, watermark: int, tail: int) -> None:
        self.id = queue_id
        self.service = service
        self.tenant = tenant
        self.loaded = watermark
        self.tail = tail
        self.waiting = 0
        self.watermark = LowWatermark(watermark)

    @property
    def behind(self) -> bool:
        return self.loaded < self.tail


class Backlog:
    """The queues of all services."""

    def __init__(self, store: Store, window: int) -> None:
        self._store = store
        self._window = window
        self._queues: dict[int, Queue] = {}
        self._consumers: dict[str, Consumer] = {}
        self._hungry: dict[int, None] = {}
        self._moved: set[int] = set()
        self._wake = asyncio.Event()
        self._progress: asyncio.Future[None] | None = None
        self._watched: dict[int, asyncio.Event] = {}
        self.last_seq = 0

    def recover(self, states: Iterable[QueueState]) -> None:
        """Know the queues as the store found them."""
        for state in states:
            queue = Queue(state.id, state.service, state.tenant, state.watermark, state.last_seq)
            self._queues[queue.id] = queue
            self.last_seq = max(self.last_seq, state.last_seq)

    def attach(self, service: str, consumer: Consumer) -> None:
        """Feed a service from its watermarks on. It must have forgotten every entry it was given before."""
        self._consumers[service] = consumer
        for queue in self._queues.values():
            if queue.service == service:
                queue.loaded = queue.watermark.value
                queue.waiting = 0
                queue.watermark = LowWatermark(queue.loaded)
                self._feed(queue)

    def detach(self, service: str) -> None:
        self._consumers.pop(service, None)

    def admit(self, entries: Sequence[Entry]) -> None:
        """Take committed entries, which must come in log order."""
        touched: dict[str, Consumer] = {}
        queues, consumers, window = self._queues, self._consumers, self._window
        for entry in entries:
            queue = queues.get(entry.queue) or self._add_queue(entry)
            seq, tail = entry.seq, queue.tail
            if seq <= tail:
                continue
            queue.tail = seq
            if queue.loaded >= tail and queue.waiting < window and queue.service in consumers:
                touched[queue.service] = consumer = consumers[queue.service]
                self._load(queue, entry, consumer)
        if entries:
            self.last_seq = max(self.last_seq, entries[-1].seq)
        for consumer in touched.values():
            consumer.pump()
        self._report_progress()

    def started(self, queue_id: int, count: int) -> None:
        """So many entries left the window of a queue."""
        queue = self._queues[queue_id]
        queue.waiting -= count
        if queue.waiting <= self._window // 2:
            self._feed(queue)

    def recorded(self, queue_id: int, seqs: Sequence[int]) -> None:
        """The outcomes of entries of a queue are on disk."""
        done = self._queues[queue_id].watermark.done
        for seq in seqs:
            done(seq)
        if self._watched:
            self._tell_watchers(seqs)
        self._moved.add(queue_id)
        self._report_progress()

    def watermark_of(self, queue_id: int) -> int:
        """The seq up to which every entry of a known queue has its outcome on disk."""
        return self._queues[queue_id].watermark.value

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
        """Whether any entry of a service has no recorded outcome yet."""
        return any(
            queue.behind or queue.watermark.value < queue.loaded
            for queue in self._queues.values()
            if queue.service == service
        )

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
                await self._store.advance_watermarks({key: self._queues[key].watermark.value for key in moved})
            except StoreUnavailableError:
                self._moved |= moved
                raise
            reach("watermarks.after_save")

    async def _refill(self, queue: Queue) -> None:
        consumer = self._consumers.get(queue.service)
        room = self._window - queue.waiting
        if consumer is None or room <= 0 or not queue.behind:
            self._hungry.pop(queue.id, None)
            return
        tail, loaded = queue.tail, queue.loaded
        entries = await self._store.read_pending(queue.id, loaded, room)
        if self._consumers.get(queue.service) is not consumer or queue.loaded != loaded:
            return
        for entry in entries:
            self._load(queue, entry, consumer)
        queue.tail = max(queue.tail, queue.loaded)
        if len(entries) < room:
            queue.loaded = max(queue.loaded, tail)
            queue.watermark.advance_to(queue.loaded)
            self._moved.add(queue.id)
        if not self._is_hungry(queue):
            self._hungry.pop(queue.id, None)
        consumer.pump()

    def _report_progress(self) -> None:
        if self._progress is not None:
            self._progress.set_result(None)
            self._progress = None

    def _load(self, queue: Queue, entry: Entry, consumer: Consumer) -> None:
        queue.loaded = entry.seq
        queue.waiting += 1
        queue.watermark.load(entry.seq)
        consumer.push(entry)

    def _is_hungry(self, queue: Queue) -> bool:
        return queue.behind and queue.waiting <= self._window // 2

    def _feed(self, queue: Queue) -> None:
        if queue.behind and queue.id not in self._hungry:
            self._hungry[queue.id] = None
            self._wake.set()

    def _add_queue(self, entry: Entry) -> Queue:
        event = entry.event
        queue = Queue(entry.queue, event.service, event.tenant, entry.seq - 1, entry.seq - 1)
        self._queues[queue.id] = queue
        return queue
