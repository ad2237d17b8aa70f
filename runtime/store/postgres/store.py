"""The store over PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from uuid import UUID

from runtime.core.lease import Lease
from runtime.store.membership import Arrival, Member, MemberProfile, Taken, acquire
from runtime.store.places import has_all_events, own_places
from runtime.store.postgres.aborts import PostgresAborts
from runtime.store.postgres.audit import PostgresAudit
from runtime.store.postgres.autocommit import AutocommitDatabase
from runtime.store.postgres.claims import resolve_claims
from runtime.store.postgres.columns import entries_of, queue_entries
from runtime.store.postgres.dead_letters import DeadLetters
from runtime.store.postgres.errors import translated
from runtime.store.postgres.fence import Fence, own_shards
from runtime.store.postgres.jobs import PostgresJobs
from runtime.store.postgres.maintenance import Maintenance
from runtime.store.postgres.members import Members
from runtime.store.postgres.migration import MIGRATIONS, Migrator
from runtime.store.postgres.outbox import PostgresOutbox
from runtime.store.postgres.policies import Policies
from runtime.store.postgres.pool import ALWAYS_BY_INDEX, COMMAND_TIMEOUT_SECONDS, Address, Pool, Server
from runtime.store.postgres.releases import Releases
from runtime.store.postgres.replays import PostgresReplays
from runtime.store.postgres.schedules import PostgresSchedules
from runtime.store.postgres.start_marks import StartMarks
from runtime.store.postgres.unit_of_work import PostgresUnitOfWork
from runtime.store.postgres.writer import Writer
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
from runtime.store.sql import DEFAULT_SCHEMA, load_statements

SYSTEM_CONNECTIONS = 4
WORK_CONNECTIONS = 10
MAX_TENANTS = 10_000


class PostgresStore:
    """`runtime.store.port.Store` in one schema of one database.

    `server` is a DSN, or the keyword arguments of `asyncpg.connect`, or what gives them for each connection anew. The
    store's own statements and the handlers' units of work have pools of their own (`system_connections` and
    `work_connections`), so that handlers that wait for each other cannot keep anything from being recorded; one
    connection more holds the lease. `pooler` must be set behind a transaction pooler: then no statement is prepared
    for longer than its transaction, at the price of three more round trips a batch, and handlers must say SET LOCAL
    instead of SET, as nothing resets a session that others use.
    """

    def __init__(
        self,
        server: Server,
        *,
        schema: str = DEFAULT_SCHEMA,
        application_name: str = "postroom",
        system_connections: int = SYSTEM_CONNECTIONS,
        work_connections: int = WORK_CONNECTIONS,
        pooler: bool = False,
    ) -> None:
        self._sql = load_statements(resources.files(__package__) / "statements", schema)
        address = Address(server=server, schema=schema, application_name=application_name, pooler=pooler)
        self._system = Pool(
            address,
            system_connections,
            command_timeout_seconds=COMMAND_TIMEOUT_SECONDS,
            planning=ALWAYS_BY_INDEX,
        )
        self._work = Pool(address, work_connections)
        self._fence = Fence()
        self._writer = Writer(self._system, self._sql, self._fence)
        self._members = Members(self._system, self._sql, self._fence)
        self._releases = Releases(self._system, self._sql, self._fence, self._members)
        self._marks = StartMarks(self._system, self._sql, self._fence)
        self._maintenance = Maintenance(self._system, self._sql)
        self._dead_letters = DeadLetters(self._system, self._sql, self._writer)
        self._jobs = PostgresJobs(self._system, self._sql)
        self.policies = Policies(self._system, self._sql)

    @property
    def database(self) -> AutocommitDatabase:
        """The database outside of any event."""
        return AutocommitDatabase(self._work)

    @property
    def aborts(self) -> PostgresAborts:
        return PostgresAborts(self._system, self._sql, self._writer)

    @property
    def replays(self) -> PostgresReplays:
        return PostgresReplays(self._system, self._sql)

    @property
    def schedules(self) -> PostgresSchedules:
        return PostgresSchedules(self._system, self._sql)

    @property
    def outbox(self) -> PostgresOutbox:
        return PostgresOutbox(self._system, self._sql)

    @property
    def audit(self) -> PostgresAudit:
        return PostgresAudit(self._system, self._sql)

    @property
    def jobs(self) -> PostgresJobs:
        return self._jobs

    async def open(self) -> None:
        self._system.open()
        self._work.open()
        schema = self._system.address.schema
        connection = await self._system.acquire()
        try:
            with translated(schema):
                await Migrator(self._sql, schema, MIGRATIONS).migrate(connection)
        finally:
            self._system.release(connection)

    async def close(self) -> None:
        await self._work.close()
        await self._system.close()
        await self._members.close()

    async def join(self, incarnation: UUID, profile: MemberProfile | None = None) -> Lease:
        return await self._members.join(incarnation, profile)

    async def acquire_lease(self, incarnation: UUID) -> Lease:
        return await acquire(self, incarnation)

    async def wait_lease_lost(self) -> str:
        return await self._members.wait_lost()

    async def take_shards(self, shards: Collection[int]) -> Taken:
        return await self._members.take(shards)

    async def give_up_shards(self, shards: Collection[int], *, unclean: Collection[int] = ()) -> None:
        await self._members.give_up(shards, unclean)

    async def leave(self, *, unclean: Collection[int] = ()) -> None:
        await self._members.leave(unclean)

    async def members(self) -> list[Member]:
        return await self._members.all()

    async def remove_member(self, incarnation: UUID, epoch: int) -> bool:
        return await self._members.remove(incarnation, epoch)

    async def beat(self, now: float, position: int, utilization: float) -> None:
        await self._members.beat(now, position, utilization)

    async def arrivals(self, after: int, limit: int) -> list[Arrival]:
        return await self._members.arrivals(after, limit)

    async def pulse(self, after: int) -> tuple[bool, float | None]:
        [[arrived, due]] = await self._system.fetch(self._sql["pulse"], after, own_shards(self._fence.require()))
        return arrived, due

    async def forget_arrivals(self, position: int) -> None:
        await self._members.forget_arrivals(position)

    async def commit(self, batch: Batch) -> list[Entry]:
        return await self._writer.commit(batch) if len(batch) else []

    async def resolve(self, batch: Batch) -> list[Entry] | None:
        # A new epoch first: what the lost connection sent may not have arrived yet, and must not commit after the look.
        await self._members.renew()
        if batch.extras is not None and batch.extras.claims:
            kept = await resolve_claims(self._system, self._sql["signature_holders"], batch)
            if kept is None:
                return None
            batch = kept
        return own_places(batch, await self._find(batch)) if await self._took_place(batch) else None

    def unit_of_work(self) -> PostgresUnitOfWork:
        return PostgresUnitOfWork(self._work, self._writer)

    async def queues(self) -> list[QueueState]:
        return [QueueState(*row) for row in await self._system.fetch(self._sql["queues"])]

    async def queues_by_id(self, queues: Collection[int]) -> list[QueueState]:
        return [QueueState(*row) for row in await self._system.fetch(self._sql["queues_by_id"], list(queues))]

    async def read_pending(
        self, queue: int, after_seq: int, limit: int, shards: Collection[int] | None = None
    ) -> list[Entry]:
        name = await self._writer.queues.name_of(queue)
        if name is None:
            return []
        chosen = None if shards is None else list(shards)
        rows = await self._system.fetch(self._sql["read_pending"], queue, after_seq, limit, chosen)
        return queue_entries(queue, *name, rows)

    async def raise_watermarks(self, queues: Collection[int]) -> None:
        lease = self._fence.require()
        with self._fence.under(lease):
            await self._system.fetch(self._sql["raise_watermarks"], *self._fence.arguments(lease), list(queues))

    async def has_unfinished(self, service: str) -> bool:
        [[unfinished]] = await self._system.fetch(self._sql["has_unfinished"], service)
        return bool(unfinished)

    async def find_event(self, event_id: UUID) -> Event | None:
        rows = await self._system.fetch(self._sql["find_event"], event_id)
        return Event(*rows[0]) if rows else None

    async def advance_watermarks(self, watermarks: Mapping[int, int]) -> None:
        if not watermarks:
            return
        lease = self._fence.require()
        columns = list(watermarks.keys()), list(watermarks.values())
        with self._fence.under(lease):
            await self._system.fetch(self._sql["advance_watermarks"], *self._fence.arguments(lease), *columns)

    async def release_due(self, now: float, limit: int) -> list[Entry]:
        return await self._releases.release(now, limit)

    async def next_due(self) -> float | None:
        rows = await self._system.fetch(self._sql["next_due"], own_shards(self._fence.require()))
        return rows[0][0] if rows else None

    async def states(self, service: str, actors: Collection[tuple[str, str]]) -> list[StoredState]:
        names = [tenant for tenant, _ in actors], [key for _, key in actors]
        return [StoredState(*row) for row in await self._system.fetch(self._sql["read_states"], service, *names)]

    async def states_of_key(self, service: str, key: str) -> list[StoredState]:
        return [StoredState(*row) for row in await self._system.fetch(self._sql["states_of_key"], service, key)]

    async def list_states(self, which: StateFilter) -> list[StoredState]:
        arguments = which.service, which.tenant, list(which.labels), which.before, which.limit
        return [StoredState(*row) for row in await self._system.fetch(self._sql["list_states"], *arguments)]

    async def holds(self, service: str, after_seq: int, limit: int) -> list[Hold]:
        return [Hold(*row) for row in await self._system.fetch(self._sql["read_holds"], service, after_seq, limit)]

    async def start_marks(self) -> Mapping[int, int]:
        return await self._marks.all()

    async def mark_started(self, starts: Mapping[int, int]) -> None:
        await self._marks.mark(starts)

    async def clear_marks(self) -> None:
        await self._marks.clear()

    async def extend_log(self, now: float, period_seconds: float, ahead: int) -> None:
        await self._maintenance.extend(now, period_seconds, ahead)

    async def expire(self, before: float) -> int:
        return await self._maintenance.expire(before)

    async def dead_letters(self, which: DeadLetterFilter) -> list[DeadLetterView]:
        return await self._dead_letters.page(which)

    async def dead_letter(self, event_id: UUID) -> DeadLetterView | None:
        return await self._dead_letters.one(event_id)

    async def replay(self, event_id: UUID, replay: Batch, *, by: str, at: float, detail: str | None) -> list[Entry]:
        assert len(replay.events) == 1, "a replay is one event"
        return await self._dead_letters.close(event_id, replay, by=by, at=at, detail=detail)

    async def discard(self, event_id: UUID, *, by: str, at: float, detail: str | None) -> None:
        await self._dead_letters.close(event_id, Batch(), by=by, at=at, detail=detail)

    async def outcome_counts(self, service: str, since_seq: int) -> Sequence[tuple[str, int, int, int]]:
        rows = await self._system.fetch(self._sql["outcome_counts"], service, since_seq, MAX_TENANTS)
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    async def _took_place(self, batch: Batch) -> bool:
        """Whether a batch was committed. It was written whole or not at all, so one of its parts tells."""
        if batch.outcomes:
            [row] = await self._system.fetch(self._sql["resolve_outcomes"], batch.outcomes[0].seq)
        elif batch.dead_letters:
            [row] = await self._system.fetch(self._sql["resolve_dead_letter"], batch.dead_letters[0].event.id)
        elif batch.delayed:
            event = batch.delayed[0].event
            [row] = await self._system.fetch(self._sql["resolve_delayed"], event.id, event.attempt)
        else:
            return bool(batch.events) and has_all_events(batch, await self._find(batch))
        return bool(row[0])

    async def _find(self, batch: Batch) -> list[Entry]:
        names = dict.fromkeys((event.id, event.attempt) for event in batch.events)  # a batch may name one twice
        ids, attempts = [event_id for event_id, _ in names], [attempt for _, attempt in names]
        return entries_of(await self._system.fetch(self._sql["find_entries"], ids, attempts))
