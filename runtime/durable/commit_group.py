"""Records that go into one commit of the journal, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runtime.store.records import Batch, Claiming, Delayed, Event

Record = Event | Delayed | Claiming
"""What is accepted from outside."""


class Fate:
    """What becomes of something that many wait for. Cheaper than a shielded future for each of them."""

    __slots__ = ("_error", "_loop", "_waiters", "settled")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop  # asking for the running one is dear in Python 3.11
        self.settled = False
        self._error: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def settle(self, error: Exception | None = None) -> None:
        """Let everyone go on, or fail with `error`. The first time counts."""
        if self.settled:
            return
        self.settled = True
        self._error = error
        for waiter in self._waiters:
            if waiter.done():  # cancelled
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        self._waiters.clear()

    async def wait(self) -> None:
        """Return once it is settled. Raises what it was settled with."""
        if self.settled:
            if self._error is not None:
                raise self._error
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter


class CommitGroup:
    """A batch that grows until the journal takes it."""

    __slots__ = ("accepted", "batch", "count", "ended", "own", "recorded", "unsure")

    def __init__(self) -> None:
        self.batch = Batch()
        self.own = Batch()
        """The part that handlers made: outcomes, and what belongs to them."""
        self.count = 0
        self.unsure = False
        """Whether a commit was begun whose end is not known; it stays so when the journal itself is restarted."""
        loop = asyncio.get_running_loop()
        self.accepted = Fate(loop)
        """Whether the events are stored, or why they were refused."""
        self.ended = Fate(loop)
        """Whether nothing of it is left to write."""
        self.recorded: dict[int, list[int]] = {}
        """The numbers of the outcomes, by queue. Lists of numbers, not of objects: a deep line costs the collector
        of garbage nothing."""

    def add(self, records: Sequence[Record]) -> None:
        events, delayed = self.batch.events, self.batch.delayed
        for record in records:
            if type(record) is Event:
                events.append(record)
            elif isinstance(record, Delayed):
                delayed.append(record)
            else:
                assert isinstance(record, Claiming)
                self.add((record.record,))
                self.count -= 1
                self.batch.extra().claims.append(record.claim)
        self.count += len(records)

    def record(self, batch: Batch, queue: int) -> None:
        merge(self.batch, batch)
        merge(self.own, batch)
        self.count += len(batch)
        seqs = self.recorded.get(queue)
        if seqs is None:
            seqs = self.recorded[queue] = []
        for outcome in batch.outcomes:
            seqs.append(outcome.seq)  # most batches have one

    def settle(self, error: Exception | None = None) -> None:
        self.accepted.settle(error)
        self.ended.settle(error)


def merge(whole: Batch, part: Batch) -> None:
    """Add the records of a batch to another."""
    whole.outcomes += part.outcomes
    if part.events:
        whole.events += part.events
    if part.delayed:
        whole.delayed += part.delayed
    if part.dead_letters:
        whole.dead_letters += part.dead_letters
    if part.extras is not None:
        whole.extra().add(part.extras)
