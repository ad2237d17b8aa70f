"""Sagas of an app that runs twice on one database: the steps of each run where it does."""

from __future__ import annotations

import asyncio

from runtime import Running
from runtime.core.lease import DEFAULT_SHARDS, NO_EVENT, shard_of
from tests.apps import run
from tests.postgres import Server
from tests.two_steps import counts, two_steps

STEPS = """
SELECT shard, convert_from(headers, 'UTF8')::json -> 'finalizer' ->> 'key' AS saga
FROM postroom.event_log e JOIN postroom.queue q ON q.id = e.queue WHERE q.service = 'work'
"""


async def share_evenly(first: Running, second: Running) -> None:
    half = DEFAULT_SHARDS // 2
    async with asyncio.timeout(20):
        while not len(first.backlog.shards) == len(second.backlog.shards) == half:  # noqa: ASYNC110 # it takes time
            await asyncio.sleep(0.01)


async def test_a_step_without_a_key_runs_where_its_saga_is_so_that_its_end_needs_no_event(database: Server) -> None:
    (one, sagas), (two, _) = two_steps(), two_steps()
    async with run(one, database, pulse_seconds=0.05) as first, run(two, database, pulse_seconds=0.05) as second:
        await share_evenly(first, second)
        ids = [await sagas.start("two", n, tenant="acme", id=f"saga-{n}") for n in range(20)]
        assert [(await sagas.wait(saga)).result for saga in ids] == [n + 2 for n in range(20)]
        steps = await first.database.fetch(STEPS)
        assert [row["shard"] for row in steps] == [
            shard_of("acme", row["saga"], DEFAULT_SHARDS, NO_EVENT) for row in steps
        ]
        assert await counts(first) == {"sagas": 20, "work": 40}


async def test_a_saga_without_an_id_runs_in_the_process_that_starts_it(database: Server) -> None:
    (one, sagas), (two, _) = two_steps(), two_steps()
    async with run(one, database, pulse_seconds=0.05) as first, run(two, database, pulse_seconds=0.05) as second:
        await share_evenly(first, second)
        ids = [await sagas.start("two", n, tenant="acme") for n in range(20)]
        assert sum(is_of(first, saga) for saga in ids) > 15, "one in 256 finds no key of its own"
        assert [(await sagas.wait(saga)).result for saga in ids] == [n + 2 for n in range(20)]


async def test_a_busy_process_leaves_new_sagas_to_chance(database: Server) -> None:
    (one, sagas), (two, _) = two_steps(), two_steps()
    async with run(one, database, pulse_seconds=30) as first, run(two, database, pulse_seconds=30) as second:
        await share_evenly(first, second)
        await first.store.beat(first.clock.now(), first.backlog.position, 0.5)
        await second.store.beat(second.clock.now(), second.backlog.position, 0.1)
        async with asyncio.timeout(20):
            while first.membership.keeps_new_work:  # noqa: ASYNC110 # it looks at the others now and then
                await asyncio.sleep(0.01)
        ids = [await sagas.start("two", n, tenant="acme") for n in range(40)]
        assert 5 < sum(is_of(first, saga) for saga in ids) < 35


def is_of(running: Running, saga: str) -> bool:
    return shard_of("acme", saga, DEFAULT_SHARDS, NO_EVENT) in running.backlog.shards
