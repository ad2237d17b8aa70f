"""Ends jobs that somebody gave up.

    holding     leaves the delayed table for the log, with its outcome at once
    queued      has its outcome written where it stands; the scheduler skips it when it gets there
    processing  its handler is cancelled, what it wrote is rolled back, and its outcome is that it was aborted

An order is a row until it is carried out by the process that owns the job's shard. A job that is just ending is looked
at again: whatever comes first counts.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from actors.errors import ActorError
from actors.job import JobCause
from runtime.durable.endings import Endings
from runtime.durable.journal import RETRY_SECONDS
from runtime.durable.settling import settled
from runtime.errors import ConflictError, StoreUnavailableError
from runtime.store.aborts import AbortOrder
from runtime.store.audit import AuditEntry
from runtime.store.job_records import ENDED, JobView
from runtime.store.records import Batch, Entry, Event, Outcome, OutcomeKind

if TYPE_CHECKING:
    from runtime.durable.backlog import Backlog
    from runtime.machinery import Machinery

LOGGER = logging.getLogger("postroom.aborts")

LOOK_SECONDS = 1.0
"""How often it looks for the orders of other processes."""
AGAIN_SECONDS = 0.05
"""How often, while there are any."""
MAX_ORDERS = 100


class AbortedError(ActorError):
    """What the handler of a job that is aborted fails with."""

    def __init__(self, order: AbortOrder) -> None:
        super().__init__(order.text)
        self.order = order


class Standing(enum.Enum):
    """Where an entry is in its chunk."""

    WAITING = enum.auto()
    RUNNING = enum.auto()
    ENDING = enum.auto()
    """It was handled, and its outcome is not on disk yet."""


class Skip(msgspec.Struct):
    """An entry that must not be started, as it has another end: `written` or about to be."""

    entry: Entry
    written: bool = False
    met: bool = False
    """Whether the scheduler has come to it."""


class Skips:
    """Entries that are skipped. The watermark passes one when its outcome is on disk, not before."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self.by_seq: dict[int, Skip] = {}

    def add(self, entry: Entry) -> None:
        self.by_seq.setdefault(entry.seq, Skip(entry))

    def meet(self, entry: Entry) -> None:
        """The scheduler has come to one of them."""
        skip = self.by_seq[entry.seq]
        skip.met = True
        if skip.written:
            self._backlog.skip(entry)

    def written(self, seq: int) -> None:
        """The outcome of one of them is on disk."""
        skip = self.by_seq[seq]
        skip.written = True
        if skip.met:
            self._backlog.skip(skip.entry)

    def forget_passed(self) -> None:
        """Those below the watermark of their queue will not be met again."""
        for seq, skip in list(self.by_seq.items()):
            watermark = self._backlog.watermark_of(skip.entry.queue)
            if watermark is not None and watermark >= seq:
                del self.by_seq[seq]


class Aborts:
    """The work of the `aborts` part."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._store = machinery.store
        self._skips = machinery.skips
        self._errors: dict[UUID, AbortedError] = {}
        self._wake = asyncio.Event()
        self._nobody = Endings(machinery.emissions, machinery.emissions.max_result_bytes)

    def wake(self) -> None:
        """There is a new order."""
        self._wake.set()

    async def run(self) -> None:
        """Carry orders out, for ever."""
        while True:
            orders: list[AbortOrder] = []
            self._wake.clear()
            try:
                orders = await self._store.aborts.orders(MAX_ORDERS)
                for order in orders:
                    await self._carry_out(order)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            self._skips.forget_passed()
            self._errors = {each.id: self._errors[each.id] for each in orders if each.id in self._errors}
            await self._pause(AGAIN_SECONDS if orders else LOOK_SECONDS)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _carry_out(self, order: AbortOrder) -> None:
        view = await self._store.jobs.find(order.id)
        if view is None and await self._store.outbox.find(order.id) is not None:
            return  # it will be in the log soon
        try:
            if view is None or view.status in ENDED:
                await self._store.aborts.withdraw(order.id)
            elif view.seq is None:
                await self._end_waiting(view, order)
            else:
                await self._end_logged(view, order, view.seq)
        except ConflictError as error:
            LOGGER.debug("an order to abort is looked at again: %s", error)

    async def _end_waiting(self, view: JobView, order: AbortOrder) -> None:
        event = msgspec.structs.replace(view.event, attempt=view.attempt)
        now = self._machinery.clock.now()
        outcome = Outcome(0, OutcomeKind.ABORTED, now, now, f"aborted {order.text}")
        batch = Batch(events=[event])
        add_abort(batch, event, order, self._endings(event), now)
        async with self._machinery.appending:
            entries = await settled(self._store, batch, self._store.aborts.end_waiting(batch, outcome))
            await self._machinery.backlog.appended_ended(entries[0])
            await self._machinery.backlog.admit(entries[1:])

    async def _end_logged(self, view: JobView, order: AbortOrder, seq: int) -> None:
        event = msgspec.structs.replace(view.event, attempt=view.attempt)
        entry = Entry(seq, view.queue or 0, event)
        machinery = self._machinery
        if machinery.backlog.shard(entry) not in machinery.backlog.shards:
            return
        service = machinery.services.get(event.service)
        standing = service.runs.standing(seq) if service is not None else None
        if standing is Standing.RUNNING:
            assert service is not None
            service.interrupt(seq, self._errors.setdefault(order.id, AbortedError(order)))
        elif standing is not Standing.ENDING:
            self._skips.add(entry)  # from here on it is not started, so there is no way back
            await machinery.journal.flush()  # the outcome of one that had been handled is on disk now
            await self._record(entry, order)

    async def _record(self, entry: Entry, order: AbortOrder) -> None:
        now = self._machinery.clock.now()
        batch = Batch(outcomes=[Outcome(entry.seq, OutcomeKind.ABORTED, now, now, f"aborted {order.text}")])
        add_abort(batch, entry.event, order, self._endings(entry.event), now)
        await self._commit(batch)
        self._skips.written(entry.seq)
        self._machinery.backlog.tell_ended(entry.seq)

    async def _commit(self, batch: Batch) -> None:
        """Return when the outcome is on disk, be it this one or another that came first."""
        while True:
            try:
                async with self._machinery.appending:
                    entries = await settled(self._store, batch, self._store.commit(batch))
                    await self._machinery.backlog.admit(entries)
            except ConflictError as error:
                LOGGER.debug("a job had ended before it was aborted: %s", error)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            return

    def _endings(self, event: Event) -> Endings:
        service = self._machinery.services.get(event.service)
        return self._nobody if service is None else service.endings


def add_abort(batch: Batch, event: Event, order: AbortOrder, endings: Endings, now: float) -> None:
    """Put what an abort brings about, beside the outcome, into the batch that holds it."""
    extra = batch.extra()
    extra.aborted.append(event.id)
    extra.audits.append(AuditEntry(action="abort", by=order.by, at=now, subject=event.id, detail=order.reason))
    endings.ended(batch, event, "aborted", JobCause("aborted", order.text))
