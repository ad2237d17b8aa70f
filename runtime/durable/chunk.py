"""One slot's work: a chunk of one tenant's events, run one after another in one unit of work.

    deliver -> handler ends -> keep or undo -> next event ... -> settle

A chunk that sent no statement hands its outcomes to the journal and is done. One that did commits them itself, with
its writes. When the connection is lost it runs again once the database is back; when the commit itself is refused,
each event runs alone, so that the one to blame is found. One whose outcome turns out to be recorded already is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from actors.database import Database
from actors.errors import ActorStoppedError, CalloutsError
from runtime.context import Emitter
from runtime.core.fair_share import Taken
from runtime.core.supervision_errors import describe
from runtime.durable.aborts import AbortedError, Standing
from runtime.durable.crash_points import reach
from runtime.durable.delivery import Delivery
from runtime.durable.failures import UndecodableError
from runtime.durable.held_keys import HeldBack, Key
from runtime.durable.journal import RETRY_SECONDS
from runtime.durable.suspects import Suspects
from runtime.errors import CommitUnknownError, ConflictError, LeaseLostError, StoreUnavailableError
from runtime.store.port import UnitOfWork
from runtime.store.records import Batch, Entry, Event, Outcome, OutcomeKind

if TYPE_CHECKING:
    from runtime.durable.callouts import Errand
    from runtime.durable.joined_endings import Ending
    from runtime.durable.service import Service

LOGGER = logging.getLogger("postroom.chunk")

Chunk = list[Taken[Entry]]


class ChunkRun:
    """A chunk in a slot of a service."""

    __slots__ = (
        "_batch",
        "_current",
        "_holding",
        "_index",
        "_joining",
        "_life",
        "_service",
        "_todo",
        "_unit",
        "chunk",
        "delivery",
        "errand",
        "failures",
        "held",
        "last_failure",
        "monotonic",
        "now",
        "seconds",
        "slot",
        "telling_failures",
    )
    _brings_about_more = False
    _todo: list[Chunk]
    """The parts still to run, the next one last."""

    def __init__(self, service: Service, chunk: Chunk, slot: int) -> None:
        self._service = service
        self._life = service.life
        self._todo = [chunk]
        self._current: Chunk = []
        self._index = 0
        self._joining: list[Ending] | None = None
        """What may be told in the commit of the part at hand."""
        self.delivery: Delivery | None = None
        """The last one that was sent to an actor."""
        self._unit: UnitOfWork | None = None
        self.chunk = chunk
        self.slot = slot
        self.errand: Errand | None = None
        """Of the event at hand, if it has waited for callouts."""
        self.now = service.clock.now
        self.monotonic = service.clock.monotonic
        self.held: dict[Key, HeldBack] | None = None
        """What it leaves behind, where the order of a key is strict."""
        self._holding: dict[Key, HeldBack] | None = None
        """The same of the part at hand."""
        self.failures = 0
        self.telling_failures = 0
        """How many of the failures tell of the tenant."""
        self.last_failure: BaseException | None = None
        self.seconds: dict[int, float] = {}
        """Run time used by each entry, by seq."""

    @property
    def emitter(self) -> Emitter:
        return self._service.emitter

    @property
    def database(self) -> Database:
        """`self.db` of the event at hand. Only a chunk that asks for it has a unit of work."""
        if self.errand is not None and self.errand.away:
            raise CalloutsError("self.db is there again when they have ended")
        if self._unit is None:
            self._unit = self._service.store.unit_of_work()
            self._unit.begin_event()
        return self._unit.database

    @property
    def _queue(self) -> int:
        """All of a chunk is of one tenant and service."""
        return self.chunk[0].entry.queue

    @property
    def running_entry(self) -> Entry | None:
        """The one that an actor has, if any."""
        return self._current[self._index].entry if self._index < len(self._current) else None

    def standing(self, seq: int) -> Standing | None:
        """Where an entry is, if it is one of this chunk's."""
        if any(taken.entry.seq == seq for part in self._todo for taken in part):
            return Standing.WAITING
        for place, taken in enumerate(self._current):
            if taken.entry.seq == seq and place >= self._index:
                return Standing.RUNNING if place == self._index else Standing.WAITING
        return Standing.ENDING if any(taken.entry.seq == seq for taken in self.chunk) else None

    @property
    def opened(self) -> bool:
        """Whether a transaction is open."""
        return self._unit is not None and self._unit.opened

    def call_out(self, calls: Sequence[Awaitable[Any]], seconds: float | None) -> Coroutine[Any, Any, list[Any]]:
        return self._service.callouts.call_out(self, calls, seconds)

    async def find_event(self, event_id: UUID) -> Event | None:
        return await self._service.store.find_event(event_id)

    def start(self) -> None:
        """Run the next part of the chunk, or leave the slot."""
        if self._life is not self._service.life:
            return
        suspects = self._service.suspects
        if suspects.active:
            suspects.leave(self)
        if self._holding:
            self._keep_holds(self._holding)
        self._current = []
        while self._todo and not self._current:
            self._current = self._ahead(self._todo.pop())
        if not self._current:
            self.delivery = None  # it refers to this chunk, and the two would wait for the cyclic garbage collector
            self._service.left(self)
            return
        self._index = 0
        self.errand = None
        self._joining = None
        self._batch = Batch()
        self._unit = None
        if suspects.active and any(suspects.concern(taken.entry) for taken in self._current):
            self._service.background(self._deliver_suspects(suspects))
        else:
            self._deliver()

    def succeeded(self, delivery: Delivery, result: object) -> None:
        """Raises what makes the event fail after all, before anything is kept of it."""
        if self._brings_about_more or delivery.attempt > 1 or self._service.endings.concern(delivery.entry.event):
            self._complete(delivery, result)
        if self._unit is not None:
            self._unit.keep_event()
        started_at = delivery.started_at
        ended_at = started_at + delivery.run_seconds if self.errand is None else self.now()
        outcome = Outcome(delivery.entry.seq, OutcomeKind.DONE, started_at, ended_at)
        self._batch.outcomes.append(outcome)
        if delivery.emitted:
            self._batch.keep(delivery.emitted)
        self._advance(delivery)

    def _complete(self, delivery: Delivery, result: object) -> None:
        """Put what the completion brings about, beside the outcome, into the batch. Raises ResultError."""
        joining = self._service.endings.completed(self._batch, delivery.entry.event, result)
        if joining is not None:
            self._joining = joining if self._joining is None else self._joining + joining
        self._service.failures.ended(self._batch, delivery.entry)

    def failed(self, delivery: Delivery, error: BaseException) -> None:
        if isinstance(error, AbortedError) and error.order.id != delivery.entry.event.id:
            self.abandoned()  # the one that was meant had ended in spite of its cancellation
            return
        if self._unit is not None:
            self._unit.undo_event()
        if isinstance(error, AbortedError):
            if not self._is_lost():
                self._service.failures.abort(self._batch, delivery.entry, error, delivery.started_at)
        elif not self._is_lost():
            failures = self._service.failures
            self.failures += 1
            if delivery.attempt == 1 and failures.tell_of_tenant(error):  # retries of a few bad events come in a row
                self.telling_failures += 1
                self.last_failure = error
            self._hold(failures.add(self._batch, delivery.entry, error, delivery.started_at))
        self._advance(delivery)

    def abandoned(self) -> None:
        """The actor stopped before it was done with the event: another one takes it, unless the service stops too."""
        if self._life is not self._service.life:
            self._service.background(self._roll_back())
            return
        if self._unit is not None:
            self._unit.undo_event()
        self._todo.append(self._current[self._index :])
        self._settle()

    def _advance(self, delivery: Delivery) -> None:
        seq, seconds = delivery.entry.seq, self.seconds
        seconds[seq] = seconds.get(seq, 0.0) + delivery.run_seconds
        self._index += 1
        if self._is_lost():
            self._service.background(self._run_again())
        elif self._index < len(self._current):
            self._deliver()
        else:
            self._settle()

    def _is_lost(self) -> bool:
        return self._unit is not None and self._unit.lost

    def _deliver(self) -> None:
        service = self._service
        skipped = service.skips.by_seq
        while self._index < len(self._current):
            entry = self._current[self._index].entry
            if skipped and entry.seq in skipped:
                service.skips.meet(entry)
                self._index += 1
                continue
            if self._holding and self._falls_behind(entry):
                self._index += 1
                continue
            try:
                message = service.codec.decode_event(entry.event)
            except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
                undecodable = UndecodableError(
                    f"payload does not fit {entry.event.type or 'a dynamic event'!r}: {error}"
                )
                service.failures.add(self._batch, entry, undecodable, self.now())
                self._index += 1
                continue
            if self._unit is not None:
                self._unit.begin_event()
            try:
                self.delivery = Delivery(self, entry, message)
                service.cell_for(entry, self.slot).post(self.delivery)
            except ActorStoppedError:
                self.abandoned()
            return
        self._settle()

    async def _deliver_suspects(self, suspects: Suspects) -> None:
        """Run what may take the process down; of those that may have done so before, one at a time."""
        current = [taken.entry for taken in self._current]
        if len(current) > 1 and (self._service.strict or any(suspects.known(entry) for entry in current)):
            self._split()
        elif error := suspects.condemned(current[0]):
            self._bury(error)
        else:
            await suspects.enter(self, self._service.name, current)
            self._deliver()
            return
        self.start()

    def _split(self) -> None:
        """Let each event run by itself."""
        self._todo.extend([taken] for taken in reversed(self._current))

    def _bury(self, error: Exception) -> None:
        """Have the one event at hand fail."""
        failed = Batch()
        self._hold(self._service.failures.add(failed, self._current[0].entry, error, self.now()))
        self._service.journal.record(failed, self._queue)

    def _settle(self) -> None:
        if self._unit is not None and self._unit.opened:
            for ending in self._joining or ():
                self._batch.events.append(self._service.endings.telling(ending))
            self._service.background(self._commit(self._unit))
            return
        for ending in self._joining or ():
            self._service.finalize(ending, self._batch)
        self._service.journal.record(self._batch, self._queue)
        self.start()

    async def _commit(self, unit: UnitOfWork) -> None:
        if self._service.journal.unrecorded:  # an earlier event of a key must not be recorded after a later one
            await self._service.journal.flush()
        reach("chunk.before_commit")
        try:
            await self._service.commit(unit, self._batch)
        except CommitUnknownError:
            if not await self._took_place():
                await self._run_again()
                return
        except LeaseLostError:
            raise
        except StoreUnavailableError:
            await self._run_again()
            return
        except Exception as error:  # noqa: BLE001 # whatever the database found wrong with the handlers' writes
            await self._find_culprit(error)
            return
        reach("chunk.after_commit")
        self._service.recorded(self._queue, [outcome.seq for outcome in self._batch.outcomes])
        self.start()

    async def _took_place(self) -> bool:
        while True:
            try:
                return await self._service.resolve(self._batch)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)

    def _hold(self, back: HeldBack | None) -> None:
        """Run nothing more of the key of an entry that has to come to its end first."""
        if back is not None:
            holding = self._holding = self._holding or {}
            holding[_key(back.entries[0])] = back

    def _falls_behind(self, entry: Entry) -> bool:
        """Whether an entry waits for another one of its key in the part at hand."""
        back = (self._holding or {}).get(_key(entry))
        if back is not None:
            back.entries.append(entry)
        return back is not None

    def _ahead(self, part: Chunk) -> Chunk:
        """What of a part does not wait for an entry of its key in an earlier part."""
        held = self.held
        if held is None:
            return part
        for taken in part:
            if _key(taken.entry) in held:
                held[_key(taken.entry)].entries.append(taken.entry)
        return [taken for taken in part if _key(taken.entry) not in held]

    def _keep_holds(self, holding: dict[Key, HeldBack]) -> None:
        """What the part at hand leaves behind is certain now."""
        if self._service.suspects.active:
            self._service.suspects.rest(back.entries[0] for back in holding.values())
        self.held = {**(self.held or {}), **holding}
        self._holding = None

    async def _roll_back(self) -> None:
        self._holding = None
        if self._unit is not None:
            await self._unit.rollback()

    async def _run_again(self) -> None:
        LOGGER.warning("a chunk of %s lost its connection and runs again", self._service.name)
        await self._roll_back()
        await self._service.wait_database()
        self._todo.append(self._current)
        self.start()

    async def _find_culprit(self, error: Exception) -> None:
        await self._roll_back()
        LOGGER.info("a commit of %s was refused: %s", self._service.name, describe(error))
        if len(self._current) > 1:
            self._split()
        elif isinstance(error, ConflictError):  # by a run of it that was cut off while it committed
            self._service.recorded(self._queue, [self._current[0].entry.seq])
        else:
            self._bury(error)
        self.start()


def _key(entry: Entry) -> tuple[str, str | None]:
    return entry.event.tenant, entry.event.key
