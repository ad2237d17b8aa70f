"""An event that ends its own process is found out, and nothing else suffers for it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from runtime.durable.suspects import MAX_STARTS
from runtime.store.postgres import PostgresStore
from runtime.store.postgres.pool import Connection
from runtime.store.records import Batch
from tests.apps import run, url_of
from tests.fault.suspects_app import EVENTS, POISON, suspects_app
from tests.postgres import Server
from tests.records import make_event

ROOT = Path(__file__).parents[2]
NORMAL_START = TOGETHER_START = 1
"""The crash that nobody expected, and the one among others that are marked too: from then on it runs alone."""


async def start(database: Server, *arguments: str) -> int:
    """Run the app to its end; its exit status."""
    command = [sys.executable, "-m", "tests.fault.suspects_app", url_of(database), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    return await asyncio.wait_for(program.wait(), 50)


async def crash_with_events_waiting(database: Server) -> None:
    crashed = PostgresStore(database)
    await crashed.open()
    await crashed.acquire_lease(uuid4())
    events = [make_event(service="idles", type="Work", payload=b'{"n":%d}' % n) for n in range(20)]
    await crashed.commit(Batch(events=events))
    await crashed.close()


@pytest.mark.parametrize(("service", "chunk_size"), [("works", 10), ("idles", 1)])
async def test_an_event_that_ends_the_process_is_a_dead_letter_after_three_marked_starts(
    database: Server, admin: Connection, service: str, chunk_size: int
) -> None:
    arguments = (service, str(chunk_size))
    assert await start(database, *arguments, "enqueue") != 0
    crashes = 1
    while await start(database, *arguments) != 0:
        crashes += 1
    assert crashes == NORMAL_START + MAX_STARTS
    [letter] = await admin.fetch("SELECT payload, cause_type, cause_message FROM postroom.dead_letter")
    assert letter["payload"] == b'{"n":%d}' % POISON
    assert "took the process down" in letter["cause_message"]
    kinds = await admin.fetch("SELECT kind, count(*) FROM postroom.outcome GROUP BY kind ORDER BY kind")
    assert [tuple(row) for row in kinds] == [(1, EVENTS - 1), (3, 1)]
    if service == "works":
        effects = [row["n"] for row in await admin.fetch("SELECT n FROM effect ORDER BY n")]
        assert effects == [n for n in range(EVENTS) if n != POISON]


async def test_a_clean_stop_leaves_no_suspects(database: Server) -> None:
    app = suspects_app(1)
    for _ in range(2):
        async with run(app, database) as running:
            assert not running.machinery.suspects.active


async def test_a_stop_before_what_was_in_flight_has_passed_leaves_the_suspicion(
    database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.durable.suspects.REVIEW_SECONDS", 1000.0)
    await crash_with_events_waiting(database)
    app = suspects_app(1)
    for _ in range(2):
        async with run(app, database) as running:
            assert running.machinery.suspects.active


async def test_suspicion_ends_when_what_was_in_flight_has_passed(database: Server, admin: Connection) -> None:
    await crash_with_events_waiting(database)
    async with run(suspects_app(1), database) as running:
        suspects = running.machinery.suspects
        assert suspects.active
        assert "crash" in (suspects.detail() or "")
        await running.wait_idle("idles")
        async with asyncio.timeout(10):
            while suspects.active:  # noqa: ASYNC110 # it looks once a second whether it is over
                await asyncio.sleep(0.01)
        assert await admin.fetchval("SELECT count(*) FROM postroom.start_mark") == 0
        assert suspects.detail() is None
