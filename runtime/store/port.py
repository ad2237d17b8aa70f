"""The store port: what the runtime needs of durable storage. Every write is all or nothing and fenced by the lease."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from actors.database import Database
from runtime.core.lease import Lease
from runtime.store.aborts import AbortStore
from runtime.store.audit import AuditStore
from runtime.store.job_port import JobStore
from runtime.store.membership import Arrival, Member, MemberProfile, Taken
from runtime.store.outbox import OutboxStore
from runtime.store.policies import PolicyStore
from runtime.store.records import (
    Batch,
    DeadLetterFilter,
    DeadLetterView,
    Entry,
    Event,
    Hold,
    QueueState,
    StateFilter,
    StoredState,
)
from runtime.store.replays import ReplayStore
from runtime.store.schedules import ScheduleStore


class UnitOfWork(Protocol):
    """The transaction that a chunk of events shares, with a savepoint around each event.

    It opens with the first statement sent through `database`; a chunk that sends none costs nothing.
    The marks are synchronous: what they ask of the server is sent with the next statement or the commit.
    """

    @property
    def database(self) -> Database:
        """The database for the event that has begun; it refuses statements once that event has ended."""
        ...

    @property
    def opened(self) -> bool:
        """Whether any event of the chunk sent a statement, so that `commit` must be called."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the connection broke, so that the chunk has to run again through no fault of its events."""
        ...

    def begin_event(self) -> None:
        """Begin an event: statements that follow are its own."""
        ...

    def keep_event(self) -> None:
        """End the event and keep what it wrote."""
        ...

    def undo_event(self) -> None:
        """End the event and roll back what it wrote, alone."""
        ...

    async def commit(self, batch: Batch) -> list[Entry]:
        """Write `batch` and commit it with all that was kept; return the places of its events.

        Raises:
            CommitUnknownError: the connection was lost while committing; `Store.resolve` tells.
            StoreUnavailableError: the connection was lost before; nothing was written.
            LeaseLostError: another incarnation owns the shards; nothing was written.
            ConflictError: an entry has its outcome already; nothing was written.
            DatabaseUseError: a handler ended the transaction, or went on after a statement had failed.
            Exception: what the database raised, such as a deferred constraint; nothing was written.
        """
        ...

    async def rollback(self) -> None:
        """Give everything up, also in the middle of an event. Safe at any time, and twice, and after `commit`."""
        ...


class Store(Protocol):
    """Event log, outcome log, delayed events, dead letters, members.

    Every method may raise `StoreUnavailableError`, after which it can be called again.
    """

    @property
    def jobs(self) -> JobStore: ...

    @property
    def audit(self) -> AuditStore: ...

    @property
    def policies(self) -> PolicyStore:
        """What people set for tenants and services."""
        ...

    @property
    def outbox(self) -> OutboxStore: ...

    @property
    def aborts(self) -> AbortStore: ...

    @property
    def replays(self) -> ReplayStore: ...

    @property
    def schedules(self) -> ScheduleStore: ...

    async def open(self) -> None:
        """Connect, check the server's version and bring the schema up to date. Safe to call again."""
        ...

    async def close(self) -> None:
        """Give the lease and all connections back. Safe twice and before `open`."""
        ...

    async def join(self, incarnation: UUID, profile: MemberProfile | None = None) -> Lease:
        """Become a member, who may append events, with what it owns: nothing at first. Begins a new epoch.

        To be called again when the session is lost, or for another profile.

        Raises:
            LeaseLostError: this incarnation was taken for dead meanwhile, so what it knows is stale.
        """
        ...

    async def acquire_lease(self, incarnation: UUID) -> Lease:
        """Join, and take every shard that no living member owns: all of them for a process that is alone."""
        ...

    async def wait_lease_lost(self) -> str:
        """Wait until the session that holds the lease is gone and return why."""
        ...

    async def take_shards(self, shards: Collection[int]) -> Taken:
        """Become the owner of those of `shards` that nobody owns. Raises LeaseLostError."""
        ...

    async def give_up_shards(self, shards: Collection[int], *, unclean: Collection[int] = ()) -> None:
        """Let others take shards in which nothing runs and every outcome is on disk. Begins a new epoch.

        Their next owner is told which of them are `unclean`. Raises LeaseLostError.
        """
        ...

    async def leave(self, *, unclean: Collection[int] = ()) -> None:
        """Give up every shard and the membership, with nothing running. Raises as `give_up_shards` does."""
        ...

    async def members(self) -> list[Member]:
        """Everybody who shares the database. Can be asked without being a member."""
        ...

    async def remove_member(self, incarnation: UUID, epoch: int) -> bool:
        """Fence a member that is taken for dead, unless it began a new epoch: nothing it sends is written any more.

        Its shards have no owner then, and are unclean. Returns whether it was there.
        """
        ...

    async def beat(self, now: float, position: int, utilization: float) -> None:
        """Show that this member lives, up to which number it knows what `arrivals` tells, and how busy it is."""
        ...

    async def arrivals(self, after: int, limit: int) -> list[Arrival]:
        """The first `limit` commits after a number that touched shards whose owner they did not come from."""
        ...

    async def pulse(self, after: int) -> tuple[bool, float | None]:
        """Whether there are arrivals after a number, and when the next delayed event of own shards is due."""
        ...

    async def forget_arrivals(self, position: int) -> None:
        """Forget what every member knows."""
        ...

    async def commit(self, batch: Batch) -> list[Entry]:
        """Write a batch; return the places of its events in log order.

        An event stored before (same id and attempt) is left out, of the log and of the answer.

        Raises as `UnitOfWork.commit` does.
        """
        ...

    async def resolve(self, batch: Batch) -> list[Entry] | None:
        """Tell what became of a batch whose commit is unknown: its places, or None if it never will be committed.

        Begins a new epoch of this incarnation, so that what is still on its way to the database cannot commit after the
        answer. Writes under way elsewhere in this process may therefore raise `StoreUnavailableError` once. A batch of
        extras alone counts as not committed: to write it again does no harm.

        Raises:
            LeaseLostError: another incarnation owns the shards.
        """
        ...

    def unit_of_work(self) -> UnitOfWork: ...

    async def queues(self) -> list[QueueState]:
        """Every queue ever used, for recovery."""
        ...

    async def queues_by_id(self, queues: Collection[int]) -> list[QueueState]:
        """The queues with these ids."""
        ...

    async def read_pending(
        self, queue: int, after_seq: int, limit: int, shards: Collection[int] | None = None
    ) -> list[Entry]:
        """The first `limit` entries of a queue after `after_seq`, of `shards` or of all, that have no outcome.

        In log order.
        """
        ...

    async def find_event(self, event_id: UUID) -> Event | None:
        """An event by its id, with the number of its first attempt that is still known; None if nothing knows it."""
        ...

    async def advance_watermarks(self, watermarks: Mapping[int, int]) -> None:
        """Record for each queue (by id) the seq up to which every entry has its outcome. Never goes back."""
        ...

    async def raise_watermarks(self, queues: Collection[int]) -> None:
        """Find that seq out in the log, for who does not own all shards, and record it."""
        ...

    async def has_unfinished(self, service: str) -> bool:
        """Whether any event of a service, whoever owns it, has no final outcome."""
        ...

    async def release_due(self, now: float, limit: int) -> list[Entry]:
        """Move up to `limit` delayed events of own shards that are due at `now` to the end of the log.

        Returns their places in log order.

        When the connection is lost meanwhile (`CommitUnknownError`), the next call also returns what was moved, so that
        calling again is enough.
        """
        ...

    async def next_due(self) -> float | None:
        """When the next delayed event of own shards is due, or None."""
        ...

    async def states(self, service: str, actors: Collection[tuple[str, str]]) -> list[StoredState]:
        """The states of actors of a service, named by tenant and key, as far as they have one. In any order."""
        ...

    async def states_of_key(self, service: str, key: str) -> list[StoredState]:
        """The states that actors of a service have under a key, whatever their tenants."""
        ...

    async def list_states(self, which: StateFilter) -> list[StoredState]: ...

    async def holds(self, service: str, after_seq: int, limit: int) -> list[Hold]:
        """The first `limit` holds of a service after a number, in log order, of entries without outcome."""
        ...

    async def start_marks(self) -> Mapping[int, int]:
        """How often each entry (by seq) that has no outcome was marked as started."""
        ...

    async def mark_started(self, starts: Mapping[int, int]) -> None:
        """Note for entries (by seq) that they are about to be started for the time given. Safe to repeat."""
        ...

    async def clear_marks(self) -> None:
        """Forget the marks of entries that have their outcome."""
        ...

    async def extend_log(self, now: float, period_seconds: float, ahead: int) -> None:
        """Have room for events of the period at hand and the next, and for `ahead` entries more than there are.

        What finds no room is stored all the same, and moved there later.

        Raises:
            DatabaseRefusedError: this role may not change the tables.
        """
        ...

    async def expire(self, before: float) -> int:
        """Drop the history of events whose id was made before a time, as far as all that lies with them has ended.

        States that have ended and were saved before it go too.
        Returns how many pieces of the logs were dropped. Dead letters stay. Raises as `extend_log`.
        """
        ...

    async def dead_letters(self, which: DeadLetterFilter) -> list[DeadLetterView]: ...

    async def dead_letter(self, event_id: UUID) -> DeadLetterView | None:
        """One dead letter with its attempts and its audit."""
        ...

    async def replay(self, event_id: UUID, replay: Batch, *, by: str, at: float, detail: str | None) -> list[Entry]:
        """Mark an open dead letter as replayed and write the one event of `replay`, in one transaction, audited.

        Raises:
            NotFoundError: there is no such dead letter.
            ConflictError: it is not open.
            CommitUnknownError: the connection was lost while committing; `resolve(replay)` tells.
        """
        ...

    async def discard(self, event_id: UUID, *, by: str, at: float, detail: str | None) -> None:
        """Mark an open dead letter as discarded, audited. Raises as `replay` does."""
        ...

    async def outcome_counts(self, service: str, since_seq: int) -> Sequence[tuple[str, int, int, int]]:
        """Per tenant of a service after `since_seq`: (tenant, first attempts accepted, done, dead)."""
        ...


class AppDatabase(Database, Protocol):
    """The app's database, each statement by itself."""

    async def run_scripts(self, scripts: Sequence[str], *, lock: str) -> None:
        """Run the SQL of `App.tables` in one transaction, under a lock of that name."""
        ...


class AppStore(Store, Protocol):
    """A store that an app can run on."""

    @property
    def database(self) -> AppDatabase: ...
