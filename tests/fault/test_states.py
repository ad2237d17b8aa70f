"""Durable states after kills at random moments: exactly what the recorded events made of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from runtime.store.postgres import PostgresStore
from runtime.store.postgres.pool import Connection
from runtime.store.records import Batch
from tests.apps import url_of
from tests.fault.cut_proxy import CutProxy, Loss
from tests.fault.states_app import Tally
from tests.postgres import Server
from tests.records import make_event

ROOT = Path(__file__).parents[2]
EVENTS = 4_000
TENANTS, KEYS = 3, 14
KILLS = 4
CUTS = 6


async def fill(database: Server, count: int = EVENTS) -> None:
    store = PostgresStore(database)
    await store.open()
    await store.acquire_lease(uuid4())
    events = [
        make_event(
            service="counters",
            tenant=f"t{n % TENANTS}",
            key=f"k{n % KEYS}",
            type="Step",
            payload=b'{"n":%d}' % n,
        )
        for n in range(count)
    ]
    await store.commit(Batch(events=events))
    await store.close()


@contextlib.asynccontextmanager
async def started(
    database: Server, chunk_size: int, order: str = "relaxed"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The app at work; killed at the end unless it has ended."""
    command = [sys.executable, "-m", "tests.fault.states_app", url_of(database), str(chunk_size), order]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


async def until_done(admin: Connection, count: int, program: asyncio.subprocess.Process) -> None:
    while program.returncode is None:
        if await admin.fetchval("SELECT count(*) FROM postroom.outcome WHERE kind = 1") >= count:
            return
        await asyncio.sleep(0.01)


async def first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def finish(program: asyncio.subprocess.Process) -> None:
    assert await asyncio.wait_for(program.wait(), 100) == 0


async def require_exact(admin: Connection, order: str = "relaxed", count: int = EVENTS) -> None:
    """Each actor's state and effects are those of its events, once each, and in order where it is strict."""
    assert await admin.fetch("SELECT tenant, key, attempt, cause_message FROM postroom.dead_letter") == []
    for tenant in range(TENANTS):
        for key in range(KEYS):
            own = [n for n in range(count) if (n % TENANTS, n % KEYS) == (tenant, key)]
            names = (f"t{tenant}", f"k{key}")
            state = await admin.fetchval(
                "SELECT state::text FROM postroom.state WHERE tenant = $1 AND key = $2", *names
            )
            tally = msgspec.json.decode(state, type=Tally)
            assert (tally.done, tally.total, tally.last) == (len(own), sum(own), own[-1]), names
            assert order == "relaxed" or not tally.overtaken, names
            rows = await admin.fetch("SELECT n FROM effect WHERE tenant = $1 AND key = $2 ORDER BY n", *names)
            assert [row["n"] for row in rows] == [n for n in own if n % 3 == 0]
    kinds = await admin.fetch("SELECT kind, count(*) FROM postroom.outcome GROUP BY kind ORDER BY kind")
    retries = [(2, len(range(0, count, 7)))] if order == "relaxed" else []
    assert [tuple(row) for row in kinds] == [(1, count), *retries]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("chunk_size", "order", "count"), [(1, "relaxed", EVENTS), (25, "relaxed", EVENTS), (25, "strict", EVENTS // 2)]
)
async def test_kills_leave_states_that_equal_the_events_done(
    database: Server, admin: Connection, chunk_size: int, order: str, count: int
) -> None:
    await fill(database, count)
    for mark in sorted(random.Random(chunk_size).sample(range(100, count * 9 // 10), KILLS)):
        async with started(database, chunk_size, order) as program:
            await until_done(admin, mark, program)
            assert program.returncode is None
    async with started(database, chunk_size, order) as program:
        await finish(program)
    await require_exact(admin, order, count)


@pytest.mark.parametrize("loss", list(Loss))
async def test_connections_lost_while_committing_leave_states_that_equal_the_events_done(
    database: Server, admin: Connection, tmp_path: Path, loss: Loss
) -> None:
    await fill(database)
    async with CutProxy(database, tmp_path) as proxy, started(proxy.address, 25) as program:
        for mark in sorted(random.Random(loss.value).sample(range(100, EVENTS * 9 // 10), CUTS)):
            await until_done(admin, mark, program)
            proxy.lose(loss, b"COMMIT\0")
            await first_of(proxy.lost.wait(), program.wait())
            assert program.returncode is None
            if loss is Loss.LATE_REQUEST:
                await proxy.deliver_late()
        await finish(program)
    await require_exact(admin)
