"""The tables of the in-memory store. Several stores may share one, as several processes share a database."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

import msgspec

from runtime.core.lease import Lease
from runtime.core.policy import Scope
from runtime.durable.ids import timestamp_of
from runtime.errors import ConflictError
from runtime.store.aborts import AbortOrder
from runtime.store.audit import AuditEntry
from runtime.store.claims import claimed_at, first_claims, settle, without_duplicates
from runtime.store.memory_audit import MemoryAudit
from runtime.store.memory_members import MemoryMembers, shard_in
from runtime.store.memory_outbox import MemoryOutbox
from runtime.store.memory_policies import MemoryPolicies
from runtime.store.memory_portions import MemoryPortions
from runtime.store.memory_schedules import MemorySchedules
from runtime.store.records import (
    Batch,
    Claim,
    DeadLetterView,
    Delayed,
    Entry,
    Event,
    Extras,
    Hold,
    Outcome,
    QueueState,
    ReplayStep,
    StoredState,
)
from runtime.store.replays import ReplayRequest
from runtime.store.schedules import Run

Name = tuple[UUID, int]
"""An event's id and attempt."""


class MemoryQueue(msgspec.Struct):
    """One (service, tenant)."""

    id: int
    service: str
    tenant: str
    watermark: int = 0
    entries: list[Entry] = []

    def state(self) -> QueueState:
        last_seq = self.entries[-1].seq if self.entries else 0
        return QueueState(self.id, self.service, self.tenant, self.watermark, max(self.watermark, last_seq))

    def after(self, seq: int) -> Iterator[Entry]:
        """Entries above a number, in log order."""
        start = bisect_right(self.entries, seq, key=lambda entry: entry.seq)
        return (self.entries[place] for place in range(start, len(self.entries)))


class MemoryDatabase:
    """What the tables hold. Every method is all or nothing, and nothing else runs meanwhile."""

    def __init__(self) -> None:
        self.queues: dict[int, MemoryQueue] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.dead_letters: dict[UUID, DeadLetterView] = {}
        self.states: dict[tuple[str, str, str], StoredState] = {}
        self.members = MemoryMembers()
        self.results: dict[UUID, bytes] = {}
        self._holds: dict[int, Hold] = {}
        self._signatures: dict[tuple[str, str], Claim] = {}
        self.marks: dict[int, int] = {}
        self._queue_ids: dict[tuple[str, str], int] = {}
        self._last_seq = 0
        self._log: dict[Name, Entry] = {}
        self._attempts: dict[UUID, list[Entry]] = {}
        self._delayed: dict[Name, Delayed] = {}
        self._due: list[tuple[float, Name]] = []
        self.audit = MemoryAudit()
        self.outbox = MemoryOutbox()
        self.schedules = MemorySchedules(self.audit, self._is_unended)
        self.policies = MemoryPolicies(
            self._waiting, self.outbox, self.audit, MemoryPortions(self.members.names), self.schedules
        )
        self.replays: dict[UUID, ReplayRequest] = {}
        self.abort_orders: dict[UUID, AbortOrder] = {}

    def write(self, lease: Lease | None, batch: Batch) -> list[Entry]:
        """Write a batch; return the places of its events. Raises LeaseLostError, ConflictError."""
        lease = self.members.enter(lease)
        if batch.extras is not None:
            self.outbox.require(batch.extras.taken)
            self.schedules.require(batch.extras.schedules)
        ended = [outcome.seq for outcome in batch.outcomes]
        if len(set(ended)) < len(ended) or any(seq in self.outcomes for seq in ended):
            raise ConflictError("an entry of the batch already has its outcome; nothing was written")
        self.outcomes.update(zip(ended, batch.outcomes, strict=True))
        if batch.extras is not None and batch.extras.claims:
            batch = self._claim(batch)
        for delayed in batch.delayed:
            self._put_off(delayed)
        for letter in batch.dead_letters:
            view = DeadLetterView(event=letter.event, cause=letter.cause, died_at=letter.died_at, state="open")
            self.dead_letters[letter.event.id] = view
        if batch.extras is not None:
            self._write_extras(batch.extras)
        entries = self._append(batch.events)
        self.members.tell(lease, entries, self._last_seq)
        return entries

    def _claim(self, batch: Batch) -> Batch:
        claims = batch.extra().claims
        for name, claim in first_claims(claims).items():
            held = self._signatures.get(name)
            if held is None or held.expires_at <= claimed_at(claims):
                self._signatures[name] = claim
        settle(claims, {(each.scope, each.signature): self._holder(each) for each in claims})
        return without_duplicates(batch)

    def _holder(self, claim: Claim) -> UUID:
        return self._signatures[claim.scope, claim.signature].id

    def resolve_claims(self, batch: Batch) -> Batch | None:
        """What of a batch must be in the log if it was committed; None if it certainly was not."""
        claims = batch.extra().claims
        for name, claim in first_claims(claims).items():
            held = self._signatures.get(name)
            if held is None or (held.id != claim.id and held.expires_at <= claimed_at(claims)):
                return None
        settle(claims, {(each.scope, each.signature): self._holder(each) for each in claims})
        return without_duplicates(batch)

    def _write_extras(self, extras: Extras) -> None:
        for state in extras.states:
            self.states[state.service, state.tenant, state.key] = state
        for hold in extras.holds:
            self._holds[hold.seq] = hold
            self.marks.pop(hold.seq, None)
        for seq in extras.ended_holds:
            self._holds.pop(seq, None)
        self.audit.add(extras.audits)
        self.outbox.take(extras.taken)
        self.schedules.advance(extras.schedules)
        for step in extras.replays:
            self._advance_replay(step)
        for job in extras.aborted:
            self.abort_orders.pop(job, None)
        for result in extras.results:
            self.results.setdefault(result.id, result.value)

    def _advance_replay(self, step: ReplayStep) -> None:
        request = self.replays[step.id]
        if request.position == step.was and request.finished_at is None:
            self.replays[step.id] = msgspec.structs.replace(
                request,
                position=step.reached,
                replayed=request.replayed + step.count,
                refused=request.refused + step.refused,
                finished_at=step.finished_at,
            )

    def holds_of(self, service: str, after_seq: int) -> list[Hold]:
        """In log order."""
        holds = (self._holds[seq] for seq in sorted(self._holds) if seq > after_seq and seq not in self.outcomes)
        return [hold for hold in holds if self.queues[hold.queue].service == service]

    def clear_marks(self) -> None:
        self.marks = {seq: starts for seq, starts in self.marks.items() if seq not in self.outcomes}

    def expire(self, before: float) -> int:
        """Forget events older than a time that have ended; return how many entries."""
        self._signatures = {name: claim for name, claim in self._signatures.items() if claim.expires_at >= before}
        self.results = {job: value for job, value in self.results.items() if timestamp_of(job) >= before}
        self.states = {
            name: state for name, state in self.states.items() if not state.ended or state.saved_at >= before
        }
        forgotten = 0
        for queue in self.queues.values():
            old = [entry for entry in queue.entries if self._has_aged(entry, queue, before)]
            for entry in old:
                queue.entries.remove(entry)
                del self._log[entry.event.id, entry.event.attempt]
                self._attempts[entry.event.id].remove(entry)
                del self.outcomes[entry.seq]
            forgotten += len(old)
        return forgotten

    def _has_aged(self, entry: Entry, queue: MemoryQueue, before: float) -> bool:
        """Whether an event is old and each of its attempts has ended, the last for good."""
        event_id = entry.event.id
        ended = all(attempt.seq <= queue.watermark for attempt in self._attempts[event_id])
        return ended and timestamp_of(event_id) < before and event_id not in {name for name, _ in self._delayed}

    def find(self, events: Sequence[Event]) -> list[Entry]:
        """The places of events that are in the log."""
        names = dict.fromkeys((event.id, event.attempt) for event in events)
        return [self._log[name] for name in names if name in self._log]

    def find_event(self, event_id: UUID) -> Event | None:
        known = [entry.event for entry in self._attempts.get(event_id, ())]
        known += [delayed.event for (name, _), delayed in self._delayed.items() if name == event_id]
        known += [self.dead_letters[event_id].event] if event_id in self.dead_letters else []
        return min(known, key=lambda event: event.attempt, default=None)

    def delayed_of(self, event_id: UUID) -> Delayed | None:
        return next((delayed for (name, _), delayed in self._delayed.items() if name == event_id), None)

    def job_ids(self) -> set[UUID]:
        """Of every job that the log knows from its first attempt on."""
        return {name for name, attempt in (*self._log, *self._delayed) if attempt == 1}

    def queue_of(self, event: Event) -> int:
        return self._queue_ids[event.service, event.tenant]

    def end_waiting(self, lease: Lease | None, batch: Batch, outcome: Outcome) -> list[Entry]:
        """End a delayed event, the first of the batch."""
        name = (batch.events[0].id, batch.events[0].attempt)
        if name not in self._delayed:
            raise ConflictError(f"event {name[0]} is not delayed any more")
        entries = self.write(lease, batch)
        due_at = self._delayed.pop(name).due_at
        self._due.remove((due_at, name))
        heapq.heapify(self._due)
        self.outcomes[entries[0].seq] = msgspec.structs.replace(outcome, seq=entries[0].seq)
        return entries

    def waits_or_ran(self, event: Event) -> bool:
        name = (event.id, event.attempt)
        return name in self._delayed or name in self._log

    def release(self, shards: Collection[int], now: float, limit: int) -> list[Entry]:
        """Move due events of shards to the end of the log."""
        due = [(at, name) for at, name in sorted(self._due) if at <= now and self._shard(name) in shards][:limit]
        for place in due:
            self._due.remove(place)
        heapq.heapify(self._due)
        return self._append([self._delayed.pop(name).event for _, name in due])

    def next_due(self, shards: Collection[int]) -> float | None:
        return min((at for at, name in self._due if self._shard(name) in shards), default=None)

    def raise_watermark(self, queue_id: int) -> None:
        """Bring a queue's watermark up to the first entry without outcome."""
        queue = self.queues[queue_id]
        for entry in queue.after(queue.watermark):
            if entry.seq not in self.outcomes:
                break
            queue.watermark = entry.seq

    def has_unfinished(self, service: str) -> bool:
        """Whether any event of a service has no final outcome."""
        own = [queue for queue in self.queues.values() if queue.service == service]
        return any(entry.seq not in self.outcomes for queue in own for entry in queue.after(queue.watermark)) or any(
            delayed.event.service == service for delayed in self._delayed.values()
        )

    def _shard(self, name: Name) -> int:
        return shard_in(self._delayed[name].event)

    def close_dead_letter(self, event_id: UUID, view: DeadLetterView, entry: AuditEntry) -> None:
        """Change a dead letter's state and note who did it."""
        self.dead_letters[event_id] = view
        self.audit.add([entry])

    def attempts_of(self, event_id: UUID) -> list[Entry]:
        return sorted(self._attempts.get(event_id, ()), key=lambda entry: entry.event.attempt)

    def _waiting(self, scope: Scope) -> Iterator[int]:
        """How many entries of each queue of a scope have no outcome."""
        for queue in self.queues.values():
            if scope.service in {None, queue.service} and scope.tenant in {None, queue.tenant}:
                yield sum(entry.seq not in self.outcomes for entry in queue.after(queue.watermark))

    def _is_unended(self, run: Run) -> bool:
        if self.delayed_of(run.id) or any(entry.seq not in self.outcomes for entry in self._attempts.get(run.id, ())):
            return True
        state = None if run.key is None else self.states.get((run.service, run.tenant, run.key))
        return state is not None and state.label is not None and not state.ended

    def _append(self, events: Sequence[Event]) -> list[Entry]:
        entries = []
        for seq, event in enumerate(events, self._last_seq + 1):
            if (event.id, event.attempt) in self._log:
                continue
            queue = self._queue(event)
            entry = Entry(seq, queue.id, event)
            queue.entries.append(entry)
            self._log[event.id, event.attempt] = entry
            self._attempts.setdefault(event.id, []).append(entry)
            entries.append(entry)
        self._last_seq += len(events)
        return entries

    def _put_off(self, delayed: Delayed) -> None:
        name = (delayed.event.id, delayed.event.attempt)
        if name not in self._delayed:
            self._queue(delayed.event)
            self._delayed[name] = delayed
            heapq.heappush(self._due, (delayed.due_at, name))

    def _queue(self, event: Event) -> MemoryQueue:
        pair = (event.service, event.tenant)
        if pair not in self._queue_ids:
            queue = MemoryQueue(len(self.queues) + 1, *pair)
            self._queue_ids[pair] = queue.id
            self.queues[queue.id] = queue
        return self.queues[self._queue_ids[pair]]
