"""A service at work: takes entries from the backlog, shares its slots fairly among tenants, feeds its actors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from actors.context import Clock
from actors.errors import ActorStoppedError
from actors.spec import RetryOrder
from actors.state import state_of
from runtime.cells.cell import Cell
from runtime.context import Emitter
from runtime.core.lease import has_key
from runtime.core.policy_book import PolicyBook
from runtime.core.scheduler import Scheduler
from runtime.core.slot_account import SlotAccount
from runtime.core.supervision_errors import describe
from runtime.definition import ServiceDefinition
from runtime.durable.at_once import Joining
from runtime.durable.callouts import Callouts
from runtime.durable.chunk import Chunk, ChunkRun
from runtime.durable.endings import Endings
from runtime.durable.failures import Failures
from runtime.durable.held_keys import HeldBack, HeldKeys, Key
from runtime.durable.instances import Instances
from runtime.durable.joined_endings import Ending, join
from runtime.durable.runs import Runs
from runtime.durable.service_terms import ServiceTerms
from runtime.durable.service_usage import ServiceUsage
from runtime.durable.set_aside import SetAside
from runtime.durable.stateful_chunk import StatefulChunkRun
from runtime.durable.states import States
from runtime.durable.tenant_breakers import TenantBreakers
from runtime.durable.work_classing import detail_of, scheduler_of, slots_of
from runtime.machinery import Machinery
from runtime.store.port import Store, UnitOfWork
from runtime.store.records import Batch, Entry
from runtime.tasks import new_task
from runtime.tree import TreeNode

LEAST_STOP_SECONDS = 0.5
"""What the actors have to stop when running events used up the shutdown time: most of them are idle."""

Explained = Callable[[str, BaseException], None]


class Service:
    """A child of the supervisor of services. Each start is a new life that begins with what the log holds."""

    def __init__(self, definition: ServiceDefinition, path: str, machinery: Machinery, explained: Explained) -> None:
        self.definition = definition
        self.path = path
        self.journal = machinery.journal
        self.backlog = machinery.backlog
        self.suspects = machinery.suspects
        self.codec = machinery.admission.codec(definition.name)
        self.endings = Endings(
            machinery.emissions,
            machinery.emissions.max_result_bytes,
            finalizer=definition.finalizer,
            keep_results=definition.keep_results,
        )
        self.failures = Failures(definition.retry, self.endings, machinery.clock, machinery.random)
        self.joining = Joining(machinery.emissions)
        self.skips = machinery.skips
        self.life: object | None = None
        self._machinery = machinery
        self._explained = explained
        self._on_exit: Callable[[BaseException | None], None] | None = None
        self.fair: Scheduler[Entry] = scheduler_of(definition, machinery.profile.examined_entries, self._pump_soon)
        """What waits, and on which terms."""
        self.breakers = (
            TenantBreakers(definition.name, definition.breaker, machinery.clock, self.hold, self.release)
            if definition.breaker is not None
            else None
        )
        self._aside = SetAside(machinery.backlog.shard)
        self._begin()
        self.slots = slots_of(definition, self._pump_soon)
        self.runs = Runs()
        self.terms = ServiceTerms(definition, machinery.caps)
        self.usage = ServiceUsage(definition.name, machinery.profile)
        self._pumping = False
        self.callouts = Callouts(self, machinery.callouts)
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handled = 0
        self._since = machinery.clock.now()

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def clock(self) -> Clock:
        return self._machinery.clock

    @property
    def store(self) -> Store:
        return self._machinery.store

    @property
    def emitter(self) -> Emitter:
        return self._machinery.emissions

    @property
    def strict(self) -> bool:
        """Whether an event that is tried again holds back its key."""
        return self._held is not None

    @property
    def next_try(self) -> float | None:
        """When something that it holds back is tried again, if there is anything."""
        dues = [part.next_due for part in (self._held, self.breakers) if part is not None]
        return min((due for due in dues if due is not None), default=None)

    def look(self) -> None:
        """Try again what is due, by a clock that may have been moved."""
        for part in (self._held, self.breakers):
            if part is not None:
                part.look()

    @property
    def busy(self) -> bool:
        return not self._quiet.is_set()

    async def start(self, on_exit: Callable[[BaseException | None], None]) -> None:
        await self.journal.flush()  # outcomes of an earlier life must be on disk before the log is read again
        self._on_exit = on_exit
        self.life = object()
        self.fair = self.fair.successor()
        self._aside.clear()
        self._begin()
        self.slots.open()
        self.runs.clear()
        self._since = self.clock.now()
        if self.breakers is not None:
            self.breakers.start()
        await self.learn_holds()
        self.backlog.attach(self.name, self)

    async def stop(self, shutdown_seconds: float) -> None:
        self.backlog.detach(self.name)
        if self.breakers is not None:
            self.breakers.stop()
        if self._held is not None:
            self._held.end()
        deadline = asyncio.get_running_loop().time() + shutdown_seconds
        self.slots.close()
        self.callouts.close()
        try:
            async with asyncio.timeout_at(deadline):
                await self._quiet.wait()
        except TimeoutError:
            pass  # what is still running is cancelled with its actor; its events stay in the log
        self.life = None
        await self.instances.stop(max(LEAST_STOP_SECONDS, deadline - asyncio.get_running_loop().time()))
        own = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.suspects.forget(self.name)
        self.slots.end()
        self.callouts.clear()
        self._quiet.set()

    def node(self) -> TreeNode:
        return TreeNode(
            name=self.name,
            kind="service",
            state="running" if self.life else "stopped",
            since=self._since,
            mailbox_depth=len(self.fair),
            oldest_message_seconds=self._oldest_seconds(),
            handled=self._handled,
            detail=detail_of(self.slots, self.fair),
            children=self.instances.nodes(),
            children_total=len(self.instances),
        )

    def push(self, entry: Entry) -> None:
        if self._aside.shards and self._aside.concerns(entry):
            self._aside.add(entry)
            return
        if self._held is not None:
            self._held.push(entry)
            return
        event = entry.event
        self.fair.push(event.tenant, event.key, entry)

    async def learn_holds(self) -> None:
        if self._held is not None:
            await self._held.learn()

    def hold_shards(self, shards: frozenset[int]) -> None:
        """Start no further event of shards until they are resumed or forgotten."""
        self._aside.shards |= shards
        for entry in self.fair.withdraw(self._aside.concerns):
            self._aside.add(entry)

    def resume_shards(self, shards: frozenset[int]) -> None:
        """Go on with shards as far as they are held."""
        for entry in self._aside.take(shards):
            self.push(entry)
        self.pump()

    def forget(self, shards: frozenset[int]) -> list[Entry]:
        """Know nothing of shards any more, which are held; returns what waited."""
        return self._aside.take(shards)

    def owns(self, tenant: str, key: str) -> bool:
        """Whether events of a key are started here."""
        return has_key(self.backlog.shards, self.backlog.count, tenant, key, but=self._aside.shards)

    async def evict(self, shards: frozenset[int]) -> None:
        """Stop the actors of keys in shards, in which nothing runs."""
        await self.instances.evict(lambda tenant, key: self.backlog.shard_of_key(tenant, key) in shards)

    def hold(self, tenant: str, reason: str) -> None:
        """Start no further event of a tenant until `release` is told the same reason. See `FairShare.hold`."""
        self.fair.hold(tenant, reason)

    def release(self, tenant: str, reason: str) -> None:
        """End a hold of a tenant, and go on with its events if it was the last one."""
        self.fair.release(tenant, reason)
        self.pump()

    def apply(self, book: PolicyBook, accounts: Mapping[str, SlotAccount]) -> None:
        """Serve the tenants on the terms of the book from now on, what waits included."""
        self.terms.apply(self.fair, book, accounts, self.usage.caps)
        self.limit_slots(book)
        self.pump()

    def limit_slots(self, book: PolicyBook) -> None:
        """Fill as many slots, and of each class of work, as the caps allow here from now on. Pumps nothing."""
        self.slots.set_terms(self.terms.slots, book.service_hold(self.name))
        self.terms.share_out(self.fair, self.slots.limit, book)

    def pump(self) -> None:
        """Fill the free slots with what the scheduler says is next."""
        if self._pumping:
            return
        self._pumping = True
        take_chunk, chunk_size, new_run = self.fair.take_chunk, self.definition.chunk_size, self._new_run
        slots, next_tag = self.slots, self.fair.next_tag
        breakers, away = self.breakers, self.callouts.away
        try:
            while slots.room > 0 and not self.journal.saturated:
                if slots.pool is not None and not slots.in_turn(wanted=next_tag() is not None):
                    break
                chunk = take_chunk(chunk_size)
                if not chunk:
                    break
                if away and chunk[0].entry.seq in away:
                    self.callouts.seat(chunk[0])
                    continue
                self._quiet.clear()
                self.backlog.started(chunk[0].entry.queue, chunk)
                run = new_run(self, chunk, slots.take())
                self.runs[run.slot] = run
                if breakers is not None and breakers.probing:
                    breakers.took(chunk[0].tenant)
                run.start()
        finally:
            self._pumping = False

    def left(self, run: ChunkRun) -> None:
        """A chunk has left its slot."""
        if self.callouts.away and self.callouts.keeps(run):
            return
        complete, seconds = self.fair.complete, run.seconds
        ended = len(run.chunk)
        if run.held:
            ended -= self._hold_back(run.held)
        for taken in run.chunk:
            complete(taken, seconds.get(taken.entry.seq, 0.0))
        self._handled += ended
        gate = self._machinery.gate
        if gate.active:
            gate.ended(self.name, run.chunk[0].tenant, ended)
        if self.breakers is not None and (run.failures or self.breakers.watching):
            self._tell_breakers(self.breakers, run, max(0, ended + len(run.held or ()) - run.failures))
        del self.runs[run.slot]
        self.slots.give(run.slot)
        self.pump()
        self._look_quiet()

    def dismiss(self, run: ChunkRun) -> None:
        """A run that lent its slot has come to its end while the service stops."""
        del self.runs[run.slot]
        self.slots.give_lent(run.slot)
        self._look_quiet()

    def _look_quiet(self) -> None:
        if not self.fair.running and not self.callouts.away:
            self._quiet.set()

    def _hold_back(self, held: Mapping[Key, HeldBack]) -> int:
        """Keep what a chunk leaves behind of keys; how many entries."""
        assert self._held is not None, "only where the order is strict something is held"
        for key, back in held.items():
            self._held.hold(key, back)
        return sum(len(back.entries) for back in held.values())

    @staticmethod
    def _tell_breakers(breakers: TenantBreakers, run: ChunkRun, succeeded: int) -> None:
        reason = describe(run.last_failure) if run.last_failure is not None else ""
        breakers.record(run.chunk[0].tenant, succeeded, run.telling_failures, reason)

    def interrupt(self, seq: int, error: Exception) -> None:
        """Cancel the handler of an entry, which then fails with `error`, if it has begun."""
        run = self.runs.handling(seq)
        if run is not None and run.delivery is not None:
            self.cell_for(run.delivery.entry, run.slot).cut_off(error)

    def recorded(self, queue: int, seqs: Sequence[int]) -> None:
        self.backlog.recorded(queue, seqs)

    def cell_for(self, entry: Entry, slot: int) -> Cell:
        return self.instances.for_slot(entry.event.tenant, entry.event.key, slot)

    def cell_for_message(self, tenant: str | None, key: str | None) -> Cell:
        """The actor for a message in memory. Raises ActorStoppedError, or InvalidInputError where a key is missing."""
        if self.life is None:
            raise ActorStoppedError(f"{self.path} is not running")
        return self.instances.for_message(tenant, key)

    def reload(self, tenant: str, key: str) -> None:
        """Have an actor read its state again before its next message."""
        self.instances.reload(tenant, key)

    async def commit(self, unit: UnitOfWork, batch: Batch) -> None:
        await self._machinery.commit(unit, batch)

    def finalize(self, ending: Ending, batch: Batch) -> None:
        """Put into a batch what a finalizer is told of a job that ends in it."""
        service = self._machinery.services.get(ending.finalizer.service)
        if service is None or not join(service, ending, batch):
            batch.events.append(self.endings.telling(ending))

    async def resolve(self, batch: Batch) -> bool:
        return await self._machinery.resolve(batch)

    async def wait_database(self) -> None:
        await self._machinery.wait_database()

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for this life; when it fails, the service fails."""
        task = new_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _pump_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self.pump)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, reason: BaseException) -> None:
        if self._on_exit is not None:
            on_exit, self._on_exit = self._on_exit, None
            self.background(self._die(reason, on_exit))

    async def _die(self, reason: BaseException, on_exit: Callable[[BaseException | None], None]) -> None:
        await self.stop(self.definition.supervision.shutdown_seconds)
        on_exit(reason)

    def _oldest_seconds(self) -> float | None:
        oldest = min((entry.event.accepted_at for entry in self.fair.heads()), default=None)
        return None if oldest is None else max(0.0, self.clock.now() - oldest)

    def _restarted(self, reason: BaseException) -> None:
        self._explained(self.name, reason)

    def _begin(self) -> None:
        """Have actors, none of which has been made yet."""
        definition, machinery = self.definition, self._machinery
        self._held: HeldKeys | None = None
        if definition.retry.order is RetryOrder.STRICT:
            self._held = HeldKeys(
                self.name, machinery.store, self.backlog, self.clock, fair=self.fair, pump=self._pump_soon
            )
        self._new_run: Callable[[Service, Chunk, int], ChunkRun] = ChunkRun
        self.states: States | None = None
        if state_of(definition.actor) is not None:
            self.states = States(definition, machinery.store, self.journal, self.clock.now, self.background)
            self._new_run = partial(StatefulChunkRun, states=self.states)
        self.instances = Instances(
            definition, self.path, machinery, on_restart=self._restarted, on_exhausted=self._fail, states=self.states
        )
