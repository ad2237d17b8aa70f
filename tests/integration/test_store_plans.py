"""What the hot queries may touch, whatever the size of the tables."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from runtime.durable.ids import MAX_ID
from runtime.store.postgres import PostgresStore
from runtime.store.records import Batch, Delayed
from tests.records import died, make_event, new_id

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ROWS = 40_000
FILL = f"""
INSERT INTO postroom.queue (service, tenant) SELECT 'trips', 't' || n FROM generate_series(1, 20) n;
INSERT INTO postroom.event_log (id, seq, accepted_at, queue, attempt, shard, type, payload, enqueued_by)
SELECT gen_random_uuid(), n, n, 1 + n % 20, 1, 1, 'Book', '{{}}', 'tests' FROM generate_series(1, {ROWS}) n;
INSERT INTO postroom.outcome (seq, started_at, finished_at, kind) SELECT n, 1, 1, 1 FROM generate_series(1, {ROWS}) n
WHERE n % 5 > 0;
INSERT INTO postroom.delayed (id, due_at, accepted_at, queue, attempt, shard, type, payload, enqueued_by)
SELECT gen_random_uuid(), n, n, 1 + n % 20, 1, 1, 'Book', '{{}}', 'tests' FROM generate_series(1, {ROWS}) n;
INSERT INTO postroom.dead_letter (id, died_at, accepted_at, attempt, service, tenant, type, payload, enqueued_by,
                                  cause_type, cause_message, cause_stack)
SELECT gen_random_uuid(), n, n, 1, 's' || n % 50, 't' || n % 500, 'Book', '{{}}', 'tests', '', '', ''
FROM generate_series(1, {ROWS}) n;
"""

STATISTICS = ["fresh statistics", "statistics of nearly empty tables"]
NO_ANALYSIS = "ALTER TABLE postroom.event_log_default SET (autovacuum_enabled = off)"
"""The server looks at tables once a minute: a burst of events is older by then than any statistics."""


@pytest.fixture(params=STATISTICS)
async def filled(request: pytest.FixtureRequest, store: PostgresStore, admin: Connection) -> PostgresStore:
    if request.param == "fresh statistics":
        await admin.execute(FILL + "ANALYZE")
    elif request.param == "no statistics":
        await admin.execute(f"{NO_ANALYSIS};{FILL}")
    else:
        await admin.execute("ALTER SEQUENCE postroom.log_position RESTART 1000000")
        [entry] = await store.commit(Batch(events=[make_event(tenant="one")]))
        await store.commit(died(entry))
        await store.commit(Batch(delayed=[Delayed(make_event(), 0.0)]))
        await admin.execute("ANALYZE;" + FILL)
    return store


@pytest.fixture
async def planner(filled: PostgresStore) -> AsyncIterator[Connection]:
    """A connection that plans as those of the store do."""
    connection = await filled._system.acquire()
    yield connection
    filled._system.release(connection)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def rows_touched(planner: Connection, sql: str, *args: Any) -> int:
    """Run a statement; return how many rows its plan read, and fail on a scan over a whole large table."""
    await planner.execute("BEGIN")
    [plan] = json.loads(await planner.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args))
    await planner.execute("ROLLBACK")
    touched = 0
    for node in nodes(plan["Plan"]):
        if node["Node Type"] == "Seq Scan":
            assert node["Relation Name"] in {"queue", "shard"}, node
        elif "Scan" in node["Node Type"] and "Relation Name" in node:
            touched += node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    return int(touched)


@pytest.mark.parametrize("filled", [*STATISTICS, "no statistics"], indirect=True)
async def test_reading_pending_entries_stops_at_its_limit(filled: PostgresStore, planner: Connection) -> None:
    sql = filled._sql["read_pending"]
    assert await rows_touched(planner, sql, 1, 0, 50, None) <= 50 * 7
    assert await rows_touched(planner, sql, 1, ROWS - 100, 500, None) <= 50


async def test_finding_due_events_stops_at_its_limit(filled: PostgresStore, planner: Connection) -> None:
    assert await rows_touched(planner, filled._sql["due"], 1e9, 50, None) <= 50 * 3
    assert await rows_touched(planner, filled._sql["next_due"], None) <= 1


async def test_releasing_touches_what_it_releases(filled: PostgresStore, planner: Connection) -> None:
    lease = filled._fence.require()
    names = await planner.fetch("SELECT id, attempt FROM postroom.delayed LIMIT 50")
    ids: list[UUID] = [row["id"] for row in names]
    arguments = (*filled._fence.arguments(lease), ids, [row["attempt"] for row in names])
    assert await rows_touched(planner, filled._sql["release"], *arguments) <= 50 * 3


async def test_resolving_touches_what_it_asks_for(filled: PostgresStore, planner: Connection) -> None:
    ids = [row["id"] for row in await planner.fetch("SELECT id FROM postroom.event_log LIMIT 50")]
    assert await rows_touched(planner, filled._sql["find_entries"], ids, [1] * 50) <= 50 * 2
    assert await rows_touched(planner, filled._sql["resolve_outcomes"], 1) <= 1
    assert await rows_touched(planner, filled._sql["resolve_delayed"], new_id(), 1) <= 2
    assert await rows_touched(planner, filled._sql["resolve_dead_letter"], new_id()) <= 1


@pytest.mark.parametrize("filled", ["fresh statistics"], indirect=True)
@pytest.mark.parametrize(
    ("service", "tenant", "state"),
    [
        (None, None, "open"),
        (None, None, None),
        ("s7", None, "open"),
        (None, "t7", "open"),
        ("s7", "t7", "open"),
        ("s7", None, None),
        (None, "t7", None),
    ],
)
async def test_a_page_of_dead_letters_touches_a_small_part_of_them(
    filled: PostgresStore, planner: Connection, service: str | None, tenant: str | None, state: str | None
) -> None:
    before = await planner.fetchval("SELECT id FROM postroom.dead_letter WHERE died_at = 30000")
    for place in (None, before):
        arguments = (service, tenant, state, place, 50)
        # Without state no index has both the service and the order: then at worst about sqrt(page * letters) * 2.
        assert await rows_touched(planner, filled._sql["dead_letters"], *arguments) <= (1000 if state else 3000)


async def test_where_a_queue_stands_is_read_from_the_end_of_an_index(
    filled: PostgresStore, planner: Connection
) -> None:
    assert await rows_touched(planner, filled._sql["queues"]) <= 50


async def test_counting_outcomes_touches_what_came_since(filled: PostgresStore, planner: Connection) -> None:
    assert await rows_touched(planner, filled._sql["outcome_counts"], "trips", ROWS - 200, 100) <= 200 * 3


async def test_a_look_at_a_job_touches_its_attempts(filled: PostgresStore, planner: Connection) -> None:
    [row] = await planner.fetch("SELECT id FROM postroom.event_log LIMIT 1")
    for name in ("find_event", "job_attempts"):
        assert await rows_touched(planner, filled._sql[name], row["id"]) <= 5
    assert await rows_touched(planner, filled._sql["result"], row["id"]) <= 1


@pytest.mark.parametrize(
    "which", [(None, None, None, None), ("trips", "t7", "Book", "completed"), ("no", None, None, None)]
)
async def test_a_page_of_jobs_touches_as_many_as_it_looks_at(
    filled: PostgresStore, planner: Connection, which: tuple[str | None, ...]
) -> None:
    arguments = (*which, UUID(int=0), MAX_ID, 200, 50)
    assert await rows_touched(planner, filled._sql["jobs"], *arguments) <= 200 * 8


@pytest.mark.parametrize("ids", [False, True])
async def test_a_look_for_a_replay_touches_as_many_as_it_looks_at(
    filled: PostgresStore, planner: Connection, *, ids: bool
) -> None:
    rows = await planner.fetch("SELECT id FROM postroom.event_log LIMIT 20")
    chosen = [row["id"] for row in rows] if ids else None
    arguments = ("trips", None, None, 1, chosen, UUID(int=0), MAX_ID, 200, True)
    assert await rows_touched(planner, filled._sql["ended_events"], *arguments) <= 200 * 8
