"""The store in memory, for the testing kit: the same promises as in PostgreSQL, for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec

from actors.database import Database
from runtime.core.lease import Lease
from runtime.errors import (
    ConflictError,
    NotFoundError,
    StoreUnavailableError,
)
from runtime.store.audit import AuditEntry, AuditFilter
from runtime.store.membership import Arrival, Member, MemberProfile, Taken, acquire
from runtime.store.memory_aborts import MemoryAborts
from runtime.store.memory_audit import MemoryAudit
from runtime.store.memory_database import MemoryDatabase
from runtime.store.memory_jobs import MemoryJobs
from runtime.store.memory_members import shard_in
from runtime.store.memory_outbox import MemoryOutbox
from runtime.store.memory_policies import MemoryPolicies
from runtime.store.memory_replays import MemoryReplays
from runtime.store.memory_schedules import MemorySchedules
from runtime.store.no_database import NoDatabase
from runtime.store.places import has_all_events, own_places
from runtime.store.records import (
    Attempt,
    AuditRecord,
    Batch,
    DeadLetterFilter,
    DeadLetterView,
    Entry,
    Event,
    Hold,
    OutcomeKind,
    QueueState,
    StateFilter,
    StoredState,
)


class MemoryUnitOfWork:
    """`runtime.store.port.UnitOfWork` without a transaction: nothing is written before `commit`."""

    opened = False
    lost = False

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    @property
    def database(self) -> Database:
        return NoDatabase()

    def begin_event(self) -> None:
        """Nothing to mark."""

    def keep_event(self) -> None:
        """Nothing to keep."""

    def undo_event(self) -> None:
        """Nothing to undo."""

    async def commit(self, batch: Batch) -> list[Entry]:
        return await self._store.commit(batch)

    async def rollback(self) -> None:
        """Nothing to roll back."""


class MemoryStore:
    """`runtime.store.port.Store` over a `MemoryDatabase`, of its own unless one is given."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        self._database = database or MemoryDatabase()
        self._open = False
        self._lease: Lease | None = None
        self._session_ended = asyncio.Event()
        self._session_ended.set()

    @property
    def jobs(self) -> MemoryJobs:
        return MemoryJobs(self._opened)

    @property
    def aborts(self) -> MemoryAborts:
        database = self._opened()
        return MemoryAborts(
            database.abort_orders, lambda batch, outcome: database.end_waiting(self._lease, batch, outcome)
        )

    @property
    def replays(self) -> MemoryReplays:
        return MemoryReplays(self._opened())

    @property
    def schedules(self) -> MemorySchedules:
        return self._database.schedules

    @property
    def outbox(self) -> MemoryOutbox:
        return self._opened().outbox

    @property
    def audit(self) -> MemoryAudit:
        return self._opened().audit

    @property
    def policies(self) -> MemoryPolicies:
        return self._database.policies

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self.end_session()
        self._open = False

    def end_session(self) -> None:
        """Lose the session that holds the lease, as a broken connection does. The store stays open. Safe twice."""
        sessions = self._database.members.sessions
        for incarnation in [each for each, store in sessions.items() if store is self]:
            del sessions[incarnation]
        self._session_ended.set()

    async def join(self, incarnation: UUID, profile: MemberProfile | None = None) -> Lease:
        members = self._opened().members
        known = self._lease is not None and self._lease.incarnation == incarnation
        self._lease = members.join(incarnation, profile, known=known)
        members.sessions[incarnation] = self
        self._session_ended.clear()
        return self._lease

    async def acquire_lease(self, incarnation: UUID) -> Lease:
        return await acquire(self, incarnation)

    async def wait_lease_lost(self) -> str:
        await self._session_ended.wait()
        return "the session that held the lease has ended"

    async def take_shards(self, shards: Collection[int]) -> Taken:
        lease = self._entered()
        taken = self._database.members.take(lease.incarnation, shards)
        self._lease = self._database.members.lease(lease.incarnation)
        return taken

    async def give_up_shards(self, shards: Collection[int], *, unclean: Collection[int] = ()) -> None:
        lease = self._entered()
        self._database.members.give_up(lease.incarnation, shards, unclean)
        self._lease = self._database.members.renew(lease.incarnation)

    async def leave(self, *, unclean: Collection[int] = ()) -> None:
        lease = self._entered()
        self._database.members.give_up(lease.incarnation, lease.shards, unclean)
        self._database.members.remove(lease.incarnation, lease.epoch)

    async def members(self) -> list[Member]:
        return self._opened().members.all()

    async def remove_member(self, incarnation: UUID, epoch: int) -> bool:
        return self._opened().members.remove(incarnation, epoch)

    async def beat(self, now: float, position: int, utilization: float) -> None:
        self._opened().members.beat(self._entered().incarnation, now, position, utilization)

    async def arrivals(self, after: int, limit: int) -> list[Arrival]:
        return [arrival for arrival in self._opened().members.arrivals if arrival.seq > after][:limit]

    async def pulse(self, after: int) -> tuple[bool, float | None]:
        return bool(await self.arrivals(after, 1)), await self.next_due()

    async def forget_arrivals(self, position: int) -> None:
        members = self._opened().members
        members.arrivals = [arrival for arrival in members.arrivals if arrival.seq > position]

    async def commit(self, batch: Batch) -> list[Entry]:
        return self._opened().write(self._lease, batch) if len(batch) else []

    async def resolve(self, batch: Batch) -> list[Entry] | None:
        database = self._writable()
        self._lease = database.members.renew(self._entered().incarnation)
        if batch.extras is not None and batch.extras.claims:
            kept = database.resolve_claims(batch)
            if kept is None:
                return None
            batch = kept
        return own_places(batch, database.find(batch.events)) if self._took_place(database, batch) else None

    def unit_of_work(self) -> MemoryUnitOfWork:
        return MemoryUnitOfWork(self)

    async def queues(self) -> list[QueueState]:
        return [queue.state() for queue in self._opened().queues.values()]

    async def queues_by_id(self, queues: Collection[int]) -> list[QueueState]:
        known = self._opened().queues
        return [known[each].state() for each in queues if each in known]

    async def read_pending(
        self, queue: int, after_seq: int, limit: int, shards: Collection[int] | None = None
    ) -> list[Entry]:
        database = self._opened()
        pending: list[Entry] = []
        if queue in database.queues:
            for entry in database.queues[queue].after(after_seq):
                if len(pending) == limit:
                    break
                if entry.seq not in database.outcomes and (shards is None or shard_in(entry.event) in shards):
                    pending.append(entry)
        return pending

    async def find_event(self, event_id: UUID) -> Event | None:
        return self._opened().find_event(event_id)

    async def advance_watermarks(self, watermarks: Mapping[int, int]) -> None:
        database = self._writable()
        for queue_id, watermark in watermarks.items():
            queue = database.queues[queue_id]
            queue.watermark = max(queue.watermark, watermark)

    async def raise_watermarks(self, queues: Collection[int]) -> None:
        database = self._writable()
        for queue in queues:
            database.raise_watermark(queue)

    async def has_unfinished(self, service: str) -> bool:
        return self._opened().has_unfinished(service)

    async def release_due(self, now: float, limit: int) -> list[Entry]:
        return self._writable().release(self._entered().shards, now, limit)

    async def next_due(self) -> float | None:
        return self._opened().next_due(self._entered().shards)

    async def states(self, service: str, actors: Collection[tuple[str, str]]) -> list[StoredState]:
        states = self._opened().states
        return [states[service, *actor] for actor in actors if (service, *actor) in states]

    async def states_of_key(self, service: str, key: str) -> list[StoredState]:
        states = self._opened().states.values()
        return [state for state in states if (state.service, state.key) == (service, key)]

    async def list_states(self, which: StateFilter) -> list[StoredState]:
        found = [
            state
            for state in self._opened().states.values()
            if state.service == which.service
            and state.label in which.labels
            and which.tenant in {None, state.tenant}
            and (which.before is None or state.key < which.before)
        ]
        return sorted(found, key=lambda state: (state.key, state.tenant), reverse=True)[: which.limit]

    async def holds(self, service: str, after_seq: int, limit: int) -> list[Hold]:
        return self._opened().holds_of(service, after_seq)[:limit]

    async def start_marks(self) -> Mapping[int, int]:
        database = self._opened()
        return {seq: starts for seq, starts in database.marks.items() if seq not in database.outcomes}

    async def mark_started(self, starts: Mapping[int, int]) -> None:
        self._writable().marks.update(starts)

    async def clear_marks(self) -> None:
        self._writable().clear_marks()

    async def extend_log(self, now: float, period_seconds: float, ahead: int) -> None:
        """There is room as long as there is memory."""

    async def expire(self, before: float) -> int:
        return self._opened().expire(before)

    async def dead_letters(self, which: DeadLetterFilter) -> list[DeadLetterView]:
        letters = self._opened().dead_letters
        before = letters.get(which.before) if which.before else None
        chosen = [
            letter
            for letter in letters.values()
            if which.service in {None, letter.event.service}
            and which.tenant in {None, letter.event.tenant}
            and which.state in {None, letter.state}
            and (which.before is None or (before is not None and _age(letter) < _age(before)))
        ]
        return [self._shown(letter) for letter in sorted(chosen, key=_age, reverse=True)[: which.limit]]

    async def dead_letter(self, event_id: UUID) -> DeadLetterView | None:
        database = self._opened()
        letter = database.dead_letters.get(event_id)
        if letter is None:
            return None
        attempts = [self._attempt(entry) for entry in database.attempts_of(event_id)]
        return msgspec.structs.replace(self._shown(letter), attempts=attempts, audit=await self._audit_of(event_id))

    async def replay(self, event_id: UUID, replay: Batch, *, by: str, at: float, detail: str | None) -> list[Entry]:
        database = self._writable()
        letter = self._open_letter(event_id)
        closed = msgspec.structs.replace(letter, state="replayed", replayed_as=replay.events[0].id)
        database.close_dead_letter(
            event_id, closed, AuditEntry(action="replay", by=by, at=at, subject=event_id, detail=detail)
        )
        return database.write(self._lease, replay)

    async def discard(self, event_id: UUID, *, by: str, at: float, detail: str | None) -> None:
        database = self._writable()
        closed = msgspec.structs.replace(self._open_letter(event_id), state="discarded")
        database.close_dead_letter(
            event_id, closed, AuditEntry(action="discard", by=by, at=at, subject=event_id, detail=detail)
        )

    async def _audit_of(self, event_id: UUID) -> list[AuditRecord]:
        lines = await self.audit.lines(AuditFilter(subject=event_id, limit=1000))
        return [AuditRecord(line.action, line.by, line.at, line.detail) for line in reversed(lines)]

    async def outcome_counts(self, service: str, since_seq: int) -> Sequence[tuple[str, int, int, int]]:
        database = self._opened()
        counts = []
        for queue in sorted(database.queues.values(), key=lambda queue: queue.tenant):
            if queue.service == service:
                entries = list(queue.after(since_seq))
                kinds = [database.outcomes[entry.seq].kind for entry in entries if entry.seq in database.outcomes]
                first = sum(entry.event.attempt == 1 for entry in entries)
                counts.append((queue.tenant, first, kinds.count(OutcomeKind.DONE), kinds.count(OutcomeKind.DEAD)))
        return counts

    def _opened(self) -> MemoryDatabase:
        if not self._open:
            raise StoreUnavailableError("the store is not open; call open() first")
        return self._database

    def _writable(self) -> MemoryDatabase:
        self._entered()
        return self._database

    def _entered(self) -> Lease:
        return self._opened().members.enter(self._lease)

    def _took_place(self, database: MemoryDatabase, batch: Batch) -> bool:
        if batch.outcomes:
            return batch.outcomes[0].seq in database.outcomes
        if batch.dead_letters:
            return batch.dead_letters[0].event.id in database.dead_letters
        if batch.delayed:
            return database.waits_or_ran(batch.delayed[0].event)
        return bool(batch.events) and has_all_events(batch, database.find(batch.events))

    def _open_letter(self, event_id: UUID) -> DeadLetterView:
        letter = self._database.dead_letters.get(event_id)
        if letter is None:
            raise NotFoundError(f"there is no dead letter {event_id}")
        if letter.state != "open":
            raise ConflictError(f"the dead letter {event_id} is {letter.state}, not open")
        return letter

    def _shown(self, letter: DeadLetterView) -> DeadLetterView:
        if letter.replayed_as is None:
            return letter
        attempts = self._database.attempts_of(letter.replayed_as)
        outcome = self._database.outcomes.get(attempts[-1].seq) if attempts else None
        if not attempts:  # a replay that was forgotten has ended
            dead = letter.replayed_as in self._database.dead_letters
            return msgspec.structs.replace(letter, replay_outcome="dead" if dead else "done")
        if outcome is None or outcome.kind is OutcomeKind.RETRY:
            return msgspec.structs.replace(letter, replay_outcome="pending")
        return msgspec.structs.replace(letter, replay_outcome=outcome.kind.name.lower())

    def _attempt(self, entry: Entry) -> Attempt:
        outcome = self._database.outcomes.get(entry.seq)
        accepted = (entry.event.attempt, entry.event.accepted_at)
        if outcome is None:
            return Attempt(*accepted, outcome=None, started_at=None, finished_at=None, error=None)
        times = (outcome.started_at, outcome.finished_at)
        return Attempt(*accepted, outcome.kind.name.lower(), *times, outcome.error)


def _age(letter: DeadLetterView) -> tuple[float, UUID]:
    return letter.died_at, letter.event.id
