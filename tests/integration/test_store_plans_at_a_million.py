"""The statements of the hot path at a million events, with plans made for their arguments and with plans for any.

asyncpg keeps statements prepared, and the server may settle for one plan for all arguments. The server's own counters
tell how many rows a statement touched, those inside of functions included.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib import resources
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest

from runtime.store.postgres import PostgresStore
from runtime.store.postgres.columns import event_values
from runtime.store.postgres.partitions import Partition
from runtime.store.records import Batch, Delayed, Entry, Outcome, OutcomeKind, StoredState
from tests.postgres import Server, fresh_database, run_sql
from tests.records import NOW, died, make_event, make_events

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ROWS = 1_000_000
OTHERS = 100_000
QUEUES = 2_000
PARTS = 5
"""Partitions of each log."""
START = 1_700_000_000_000
"""Milliseconds of the first id; each has one of its own."""
NAME = f"(lpad(to_hex({START} + n), 12, '0') || '7000b000' || lpad(to_hex(n), 12, '0'))::uuid"
ONE_SEQ = 2 * ROWS
"""Outcomes that are written in a test have numbers from here on."""
SMALL = {"queue", "shard", "member", "heartbeat", "start_mark", "arrival"}
COUNTERS = """
SELECT relname, seq_scan, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS touched
FROM pg_stat_xact_user_tables WHERE schemaname = 'postroom'
"""

FILL = f"""
SET synchronous_commit = off;
INSERT INTO postroom.queue (service, tenant) SELECT 'trips', 't' || n FROM generate_series(1, {QUEUES}) n;
INSERT INTO postroom.event_log (id, seq, accepted_at, queue, attempt, shard, type, payload, enqueued_by)
SELECT {NAME}, n, n, 1 + n % {QUEUES}, 1, n % 64, 'Book', '{{}}', 'tests' FROM generate_series(1, {ROWS}) n;
INSERT INTO postroom.outcome (seq, started_at, finished_at, kind) SELECT n, 1, 1, 1 FROM generate_series(1, {ROWS}) n
WHERE n / {QUEUES} % 5 > 0;
INSERT INTO postroom.delayed (id, due_at, accepted_at, queue, attempt, shard, type, payload, enqueued_by)
SELECT {NAME}, n, n, 1 + n % {QUEUES}, 2, n % 64, 'Book', '{{}}', 'tests' FROM generate_series(1, {OTHERS}) n;
INSERT INTO postroom.dead_letter (id, died_at, accepted_at, attempt, service, tenant, type, payload, enqueued_by,
                                  cause_type, cause_message, cause_stack)
SELECT {NAME}, n, n, 1, 's' || n % 50, 't' || n % 500, 'Book', '{{}}', 'tests', '', '', ''
FROM generate_series(1, {OTHERS} / 10) n;
INSERT INTO postroom.actor_state (queue, key, version, payload, saved_at)
SELECT 1 + n % {QUEUES}, 'k' || n, 1, '{{}}', n FROM generate_series(1, {OTHERS}) n;
INSERT INTO postroom.signature (scope, signature, id, expires_at)
SELECT 'trips', 's' || n, {NAME}, n FROM generate_series(1, {OTHERS}) n;
SELECT setval('postroom.log_position', {ROWS});
UPDATE postroom.queue SET watermark = {ROWS} - 2000;
"""

pytestmark = [pytest.mark.xdist_group("million"), pytest.mark.timeout(300)]  # the first one fills the tables


@pytest.fixture(scope="module")
def million(postgres_server: Server) -> Iterator[Server]:
    """A database that holds a million events in several partitions, and statistics of them."""
    with asyncio.Runner() as runner:
        made = fresh_database(postgres_server)
        address = runner.run(made.__aenter__())
        try:
            runner.run(fill(address))
            yield address
        finally:
            runner.run(made.__aexit__(None, None, None))


async def fill(address: Server) -> None:
    store = PostgresStore(address)
    await store.open()
    part = ROWS // PARTS
    async with store._system.transaction() as connection:
        for lower in range(0, ROWS + part, part):
            for log, begin in (("event_log", START + lower), ("outcome", lower)):
                new = Partition(begin, begin + part, f"{log}_p{lower}")
                await store._maintenance._make(connection, log, new)
    await store.close()
    await run_sql(address, FILL, "ANALYZE")


class World:
    """The store over the large database, and what its statements are asked for."""

    def __init__(self, store: PostgresStore, connection: Connection, rows: list[Any]) -> None:
        self.store = store
        self.connection = connection
        self.ids: list[UUID] = [row["id"] for row in rows]
        self.entries = [Entry(row["seq"], row["queue"], make_event(id=row["id"], tenant="t1")) for row in rows]

    @property
    def fence(self) -> tuple[Any, ...]:
        return self.store._fence.arguments(self.store._fence.require())

    async def touched(self, mode: str, sql: str, *arguments: Any) -> int:
        """Run a statement; return how many rows it touched, and fail on a scan over a whole large table."""
        connection = self.connection
        await connection.execute("BEGIN")
        try:
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            before = {row["relname"]: row for row in await connection.fetch(COUNTERS)}
            await connection.fetch(sql, *arguments)
            after = {row["relname"]: row for row in await connection.fetch(COUNTERS)}
        finally:
            await connection.execute("ROLLBACK")
        scanned = {name for name, row in after.items() if row["seq_scan"] > before[name]["seq_scan"]}
        assert not scanned - SMALL, f"read as a whole: {scanned - SMALL}"
        return sum(row["touched"] - before[name]["touched"] for name, row in after.items())


@pytest.fixture
async def world(million: Server) -> AsyncIterator[World]:
    store = PostgresStore(million)
    await store.open()
    await store.acquire_lease(uuid4())
    connection = await store._system.acquire()
    rows = await connection.fetch(
        "SELECT id, seq, queue FROM postroom.event_log WHERE queue = 1 AND seq > 500000 LIMIT 50"
    )
    yield World(store, connection, rows)
    store._system.release(connection)
    await store.leave()
    await store.close()


Case: TypeAlias = tuple[Callable[[World], Sequence[Any]], int]
"""A statement's arguments, and how many rows it may touch."""

CASES: dict[str, Case] = {
    "write_event": (lambda w: (*w.fence, *event_values(make_event(), 1, 64)), 5),
    "release": (lambda w: (*w.fence, w.ids, [2] * 50), 50 * 3),
    "advance_watermarks": (lambda w: (*w.fence, [1, 2], [ROWS, ROWS]), 10),
    "raise_watermarks": (lambda w: (*w.fence, [1, 2]), 100),
    "enter": (lambda w: (*w.fence, 1), 5),
    "find_queues": (lambda _: (["trips"], ["t1"]), 5),
    "create_queues": (lambda _: (["trips"], ["t1"]), 5),
    "queue_name": (lambda _: (1,), 1),
    "queues": (lambda _: (), (PARTS + 2) * QUEUES),
    "queues_by_id": (lambda _: ([1, 2],), 2 * (PARTS + 2)),
    "read_pending": (lambda _: (1, 500_000, 50, None), 50 * 15),
    "due": (lambda _: (1e9, 50, None), 50 * 3),
    "next_due": (lambda _: (None,), 5),
    "find_entries": (lambda w: (w.ids, [1] * 50), 50 * 3),
    "find_event": (lambda w: (w.ids[0],), 5),
    "resolve_outcomes": (lambda _: (21,), 2),
    "resolve_delayed": (lambda w: (w.ids[0], 1), 3),
    "resolve_dead_letter": (lambda w: (w.ids[0],), 2),
    "read_states": (lambda _: ("trips", ["t2"] * 50, [f"k{QUEUES * n + 1}" for n in range(50)]), 50 * 3),
    "states_of_key": (lambda _: ("trips", "k7"), 2 * QUEUES),
    "mark_started": (lambda w: (*w.fence, [1, 2], [1, 1]), 5),
    "clear_marks": (lambda w: w.fence, 5),
    "start_marks": (lambda _: (), 5),
    "arrivals": (lambda _: (0, 50), 50),
    "beat": (lambda w: (w.fence[0], 0.0, 0, 0.0), 5),
    "claim_signatures": (lambda w: (["trips"], ["s7"], w.ids[:1], [1e9], 0.0), 5),
    "signature_holders": (lambda _: (["trips"] * 50, [f"s{n}" for n in range(1, 51)]), 50 * 2),
    "write_results": (lambda w: (w.ids, [b"{}"] * 50), 5),
    "result": (lambda w: (w.ids[0],), 1),
    "job_attempts": (lambda w: (w.ids[0],), 5),
}
BATCHES: dict[str, tuple[Callable[[World], Batch], int]] = {
    "write_events": (lambda _: Batch(events=make_events(50, tenant="t1")), 10),
    "write_outcomes": (lambda w: Batch(outcomes=[ended(entry) for entry in w.entries]), 10),
    "write_log": (lambda w: Batch(events=make_events(2), outcomes=[ended(w.entries[0])]), 10),
    "write_batch": (
        lambda w: Batch(delayed=[Delayed(make_event(), NOW)], dead_letters=died(w.entries[0]).dead_letters),
        10,
    ),
}
RARE = {
    "outcome_counts": "the demo's report",
    "has_unfinished": "stops at the first one; asked by who waits for an idle service",
    "list_states": "what people look at",
    "delete_signatures": "housekeeping, in small pieces",
    "delete_states": "housekeeping, in small pieces",
}
"""Statements of the same files that no event waits for."""
HOT_FILES = ("write", "read", "suspects", "states", "claims")


def ended(entry: Entry) -> Outcome:
    return Outcome(ONE_SEQ + entry.seq, OutcomeKind.DONE, NOW, NOW)


def test_every_statement_of_the_hot_path_is_here() -> None:
    names = set()
    for file in HOT_FILES:
        text = (
            resources.files("runtime.store.postgres").joinpath("statements", f"{file}.sql").read_text(encoding="utf-8")
        )
        names |= set(re.findall(r"^-- name: (\w+)$", text, re.MULTILINE))
    missing = names - set(CASES) - set(BATCHES) - set(RARE) - {"write_states"}
    assert not missing, f"say here what they may touch, or why they are rare: {sorted(missing)}"


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", sorted(CASES))
async def test_a_statement_touches_what_it_is_asked_for(world: World, name: str, mode: str) -> None:
    arguments, limit = CASES[name]
    assert await world.touched(mode, world.store._sql[name], *arguments(world)) <= limit


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", sorted(BATCHES))
async def test_a_batch_touches_what_it_writes(world: World, name: str, mode: str) -> None:
    batch, limit = BATCHES[name]
    write = await world.store._writer.prepare(batch(world))
    assert write.sql == world.store._sql[name], "another statement writes it"
    assert await world.touched(mode, write.sql, *write.arguments) <= limit


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_states_are_written_by_their_key(world: World, mode: str) -> None:
    state = StoredState("trips", "t1", "k20", 1, b"{}", NOW)
    batch = Batch()
    batch.extra().states.append(state)
    [(sql, arguments)] = (await world.store._writer.prepare(batch)).extras
    assert sql == world.store._sql["write_states"]
    assert await world.touched(mode, sql, *arguments) <= 5
