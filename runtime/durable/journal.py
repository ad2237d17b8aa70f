"""Group commit: everything that arrived while the previous commit ran goes into the next one.

No timer delays a lone event; under load, batches grow by themselves. A batch stays here until its fate is known: when
the database goes away the journal waits, asks what became of the batch it was writing, and goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice

from runtime.core.supervision_errors import describe
from runtime.durable.commit_group import CommitGroup, Record
from runtime.durable.crash_points import reach
from runtime.errors import CommitUnknownError, LeaseLostError, StoreError, StoreUnavailableError
from runtime.store.port import Store
from runtime.store.records import Batch, Entry

LOGGER = logging.getLogger("postroom.journal")

MAX_BATCH = 4000
"""From how many records on a commit takes no more: a COPY of so many events takes two thirds of the time of four."""
MAX_BATCH_OUTCOMES = 500
"""The same for outcomes: an event that comes while these are written waits for no more of them."""
MAX_WAITING_BATCHES = 4
"""How many full batches wait before producers are made to wait."""
MAX_UNRECORDED = 4000
"""How many handled events may lack a recorded outcome: what a crash can repeat, beside the events running."""
RETRY_SECONDS = 0.2
"""How long to wait before the database is tried again."""


def batched(records: Iterable[Record], size: int) -> Iterator[Sequence[Record]]:
    """The records in pieces of at most `size`; itertools has this from Python 3.12 on."""
    rest = iter(records)
    while piece := tuple(islice(rest, size)):
        yield piece


class Journal:
    """The one writer of events and outcomes, apart from units of work."""

    def __init__(
        self,
        store: Store,
        *,
        appending: asyncio.Lock,
        admit: Callable[[Sequence[Entry]], Awaitable[None]],
        recorded: Callable[[int, Sequence[int]], None],
        on_written: Callable[[Batch], None],
        on_relieved: Callable[[], None],
    ) -> None:
        self._store = store
        self._appending = appending
        self._admit = admit
        self._recorded = recorded
        self._on_written = on_written
        self._on_relieved = on_relieved
        self._groups: deque[CommitGroup] = deque()
        self._writing: CommitGroup | None = None
        self._closed = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._unrecorded = 0
        self.waiting_for: str | None = None

    @property
    def saturated(self) -> bool:
        """Whether so many outcomes wait to be written that no further event should be started."""
        return self._unrecorded >= MAX_UNRECORDED

    @property
    def unrecorded(self) -> int:
        """How many outcomes are not on disk yet."""
        return self._unrecorded

    @property
    def waiting(self) -> int:
        """How many records are not on disk yet."""
        writing = len(self._writing.batch) if self._writing else 0
        return writing + sum(len(group.batch) for group in self._groups)

    async def append(self, records: Iterable[Record]) -> None:
        """Return when every record is on disk and handed to its service. Waits while the journal is full.

        Raises:
            StoreError: the database refused them; none is stored.
        """
        groups = [await self._add(piece) for piece in batched(records, MAX_BATCH)]
        for group in groups:
            await group.accepted.wait()

    async def append_one(self, record: Record) -> None:
        """As `append`."""
        group = await self._add((record,))
        await group.accepted.wait()

    async def append_made(self, make: Callable[[Batch], bool]) -> bool:
        """As `append`, of what `make` adds to what is gathered already, no outcomes; False if it adds nothing."""
        group = await self._group_with_room()
        events = group.batch.events
        before = len(events)
        if not make(group.batch):
            return False
        group.count += 1 + len(events) - before
        await group.accepted.wait()
        return True

    def record(self, batch: Batch, queue: int) -> None:
        """Write outcomes of entries of a queue and what belongs to them; `recorded` is told once they are on disk."""
        self._open_group().record(batch, queue)
        self._unrecorded += len(batch.outcomes)

    async def flush(self) -> None:
        """Return when everything given so far is on disk."""
        last = self._groups[-1] if self._groups else self._writing
        if last is not None:
            await last.ended.wait()

    def detail(self) -> str | None:
        """What a person should know of its state."""
        return f"waiting: {self.waiting_for}" if self.waiting_for else f"{self.waiting} records to write"

    async def run(self) -> None:
        """Write group after group, for ever. A group that was being written when this was cancelled comes first."""
        while True:
            if self._writing is None:
                while not self._groups:
                    self._wake.clear()
                    await self._wake.wait()
                self._writing = self._groups.popleft()
            await self._write(self._writing)
            self._writing = None
            if len(self._groups) < MAX_WAITING_BATCHES:
                self._room.set()
            await asyncio.sleep(0)  # who waited for this commit gets the chance to join the next one

    async def close(self) -> None:
        """Refuse further events, and whatever has not been written."""
        self._closed = True
        self._room.set()
        refusal = StoreUnavailableError("the app stopped before the event was stored")
        for group in (self._writing, *self._groups):
            if group is not None:
                group.settle(refusal)

    async def _add(self, piece: Sequence[Record]) -> CommitGroup:
        group = await self._group_with_room()
        group.add(piece)
        return group

    async def _group_with_room(self) -> CommitGroup:
        """The first that can take more events. They do not wait for outcomes, of which several groups may be full."""
        while True:
            if self._closed:
                raise StoreUnavailableError("the app is stopping and accepts no events")
            group = next((group for group in self._groups if group.count < MAX_BATCH), None)
            if group is not None:
                return group
            if self._room.is_set():
                return self._open_group()
            await self._room.wait()

    def _open_group(self) -> CommitGroup:
        """The last group, or a new one where that is full."""
        groups = self._groups
        if not groups or groups[-1].count >= MAX_BATCH or len(groups[-1].batch.outcomes) >= MAX_BATCH_OUTCOMES:
            groups.append(CommitGroup())
            self._wake.set()
            if len(groups) >= MAX_WAITING_BATCHES:
                self._room.clear()
        return groups[-1]

    async def _write(self, group: CommitGroup) -> None:
        try:
            async with self._appending:
                reach("journal.before_commit")
                entries = await self._commit(group)
                reach("journal.after_commit")
                await self._admit(entries)
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 # whatever the database finds wrong with the records
            await self._refuse(group, error)
            return
        self._finish(group)

    async def _commit(self, group: CommitGroup) -> list[Entry]:
        while True:
            try:
                entries = await (self._resolve(group) if group.unsure else self._commit_once(group))
            except StoreUnavailableError as error:
                await self._pause(error)
                continue
            if entries is not None:
                self.waiting_for = None
                return entries

    async def _commit_once(self, group: CommitGroup) -> list[Entry]:
        group.unsure = True
        try:
            return await self._store.commit(group.batch)
        except CommitUnknownError:
            raise
        except Exception:
            group.unsure = False
            raise

    async def _resolve(self, group: CommitGroup) -> list[Entry] | None:
        entries = await self._store.resolve(group.batch)
        group.unsure = False
        return entries

    async def _refuse(self, group: CommitGroup, error: Exception) -> None:
        """The database will not have these events; the outcomes that shared their batch are written without them."""
        LOGGER.error("the database refused a batch of %d records: %s", len(group.batch), describe(error))
        own = group.own
        if len(own) == len(group.batch):
            raise error
        group.accepted.settle(StoreError(f"the database refused the events: {describe(error)}"))
        group.batch = own
        if len(own):
            async with self._appending:
                await self._admit(await self._commit(group))
        self._finish(group)

    def _finish(self, group: CommitGroup) -> None:
        saturated = self.saturated
        self._unrecorded -= len(group.batch.outcomes)
        group.settle()
        reach("journal.before_recorded")
        for queue, seqs in group.recorded.items():
            self._recorded(queue, seqs)
        self._on_written(group.batch)
        if saturated and not self.saturated:
            self._on_relieved()

    async def _pause(self, error: StoreUnavailableError) -> None:
        if self.waiting_for is None:
            LOGGER.warning("the journal waits for the database: %s", error)
        self.waiting_for = str(error)
        await asyncio.sleep(RETRY_SECONDS)
