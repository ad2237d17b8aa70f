"""The logs of an app under load stay bounded, and nothing that is handled notices."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from actors import Actor, RetryPolicy
from runtime import App, Enqueue
from runtime.settings import SECONDS_PER_DAY
from runtime.store.postgres.pool import Connection
from tests.apps import run
from tests.postgres import Server

RETENTION_SECONDS = 2.0
ROUNDS = 12
ROUND_EVENTS = 300


class Work(msgspec.Struct):
    n: int


class Worker(Actor):
    async def work(self, work: Work) -> None:
        if work.n % 100 == 0:
            raise RuntimeError("a dead letter")


async def rows_of(admin: Connection, table: str) -> int:
    return int(await admin.fetchval(f"SELECT count(*) FROM postroom.{table}"))


@pytest.mark.timeout(90)
async def test_tables_are_bounded_by_retention_while_events_flow(database: Server, admin: Connection) -> None:
    app = App("test")
    app.service("works", Worker, chunk_size=20, retry=RetryPolicy(attempts=1))
    accepted = 0
    async with run(app, database, retention_days=RETENTION_SECONDS / SECONDS_PER_DAY) as running:
        async with asyncio.timeout(60):
            while accepted - await rows_of(admin, "event_log") < ROUNDS * ROUND_EVENTS:
                many = [Enqueue(message=Work(n), tenant=f"t{n % 3}") for n in range(ROUND_EVENTS)]
                await app.enqueue_many("works", many)
                accepted += ROUND_EVENTS
                await running.wait_idle("works")
        [retention] = [child for child in running.node().children if child.name == "retention"]
        assert "partitions dropped" in (retention.detail or "")
    assert await rows_of(admin, "dead_letter") == accepted // 100
    assert await rows_of(admin, "event_log_default") == 0
