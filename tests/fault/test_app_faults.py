"""The database goes away while an app works: it waits, and every event still has its effect exactly once."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors import Actor
from runtime import App, Enqueue, Running, Settings
from runtime.errors import StoreUnavailableError
from runtime.store.postgres.pool import Connection
from tests.apps import run
from tests.postgres import Server

EVENTS = 2000
TABLES = """
CREATE TABLE IF NOT EXISTS effect (n int NOT NULL);
CREATE TABLE IF NOT EXISTS echo (n int NOT NULL);
"""


class Work(msgspec.Struct):
    n: int


class Echo(msgspec.Struct):
    n: int


class Worker(Actor):
    async def work(self, work: Work) -> None:
        await self.db.execute("INSERT INTO effect VALUES ($1)", work.n)
        if work.n % 10 == 0:
            self.ctx.emit("echoes", Echo(work.n))


class Echoer(Actor):
    async def echo(self, echo: Echo) -> None:
        await self.db.execute("INSERT INTO echo VALUES ($1)", echo.n)


def worker_app(chunk_size: int) -> App:
    app = App("test")
    app.tables(TABLES)
    app.service("works", Worker, slots=4, chunk_size=chunk_size)
    app.service("echoes", Echoer, slots=2)
    return app


async def produce(app: App) -> None:
    for start in range(0, EVENTS, 50):
        batch = [Enqueue(message=Work(n), tenant=f"t{n % 4}", key=f"k{n % 97}") for n in range(start, start + 50)]
        await app.enqueue_many("works", batch)


async def finish(running: Running) -> None:
    async with asyncio.timeout(50):
        await running.wait_idle("works")
        await running.wait_idle("echoes")


async def require_exact(fetch: Any) -> None:
    assert [row["n"] for row in await fetch("SELECT n FROM effect ORDER BY n")] == list(range(EVENTS))
    assert [row["n"] for row in await fetch("SELECT n FROM echo ORDER BY n")] == list(range(0, EVENTS, 10))
    kinds = await fetch("SELECT kind, count(*) FROM postroom.outcome GROUP BY kind")
    assert [tuple(row) for row in kinds] == [(1, EVENTS + EVENTS // 10)]


async def terminate_sessions(admin: Connection, app_name: str) -> int:
    rows = await admin.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = $1",
        app_name,
    )
    return len(rows)


@pytest.mark.parametrize("chunk_size", [1, 25])
async def test_cut_connections_lose_and_repeat_nothing(database: Server, admin: Connection, chunk_size: int) -> None:
    app = worker_app(chunk_size)
    cut = 0
    async with run(app, database) as running:
        producing = asyncio.create_task(produce(app))
        for part in range(1, 6):
            while await admin.fetchval("SELECT count(*) FROM effect") < part * EVENTS // 8:
                await running.backlog.progress()
            cut += await terminate_sessions(admin, "postroom test")
        await producing
        await finish(running)
    assert cut >= 10
    await require_exact(admin.fetch)


async def test_a_killed_server_is_started_again_and_the_totals_are_exact(tmp_path: Path) -> None:
    app = worker_app(25)
    async with app.running(Settings(data_dir=tmp_path)) as running:
        producing = asyncio.create_task(produce(app))
        for part in (1, 2):
            while await count_effects(running) < part * EVENTS // 4:
                await running.backlog.progress()
            assert running.server_pid is not None
            os.kill(running.server_pid, signal.SIGKILL)
            await count_effects(running)
        await producing
        await finish(running)
        await require_exact(running.database.fetch)
        [postgres] = [child for child in running.node().children if child.name == "postgres"]
    assert postgres.restarts == 2
    assert "killed by signal 9" in (postgres.last_reason or "")


async def count_effects(running: Running) -> int:
    """Waits while the database is away."""
    async with asyncio.timeout(20):
        while True:
            try:
                return int(await running.database.fetchval("SELECT count(*) FROM effect"))
            except StoreUnavailableError:
                await asyncio.sleep(0)
