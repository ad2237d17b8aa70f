"""A server that refuses connections: whoever runs waits for as long as it takes, whoever starts for a given time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from actors import Actor, SpecError
from runtime import App, Running, Settings
from runtime.embedded import EmbeddedServer
from runtime.errors import AnotherClusterError, StoreError, StoreUnavailableError
from runtime.store.postgres.pool import Connection
from tests.apps import run
from tests.fault.cut_proxy import CutProxy
from tests.postgres import Server, address_of, migrate, run_sql


class Work(msgspec.Struct):
    n: int


class Worker(Actor):
    async def work(self, work: Work) -> None:
        await self.db.execute("INSERT INTO effect VALUES ($1)", work.n)


@pytest.fixture
async def proxy(database: Server, tmp_path: Path) -> CutProxy:
    """Stands for the server, which is away outside of `async with proxy`."""
    return CutProxy(database, tmp_path)


def worker_app() -> App:
    app = App("test")
    app.tables("CREATE TABLE IF NOT EXISTS effect (n int NOT NULL)")
    app.service("works", Worker, keyed=True, slots=4)
    return app


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 # whatever the condition, it is looked at now and then
            await asyncio.sleep(0.005)


def details(running: Running) -> dict[str, str]:
    return {child.name: child.detail or "" for child in running.node().children}


async def test_a_running_app_says_what_it_waits_for_and_goes_on(
    proxy: CutProxy, admin: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    app = worker_app()
    async with contextlib.AsyncExitStack() as stack:
        async with proxy:
            running = await stack.enter_async_context(run(app, proxy.address))
            await app.enqueue("works", Work(0), tenant="t", key="k")
            await running.wait_idle("works")
        waiting = asyncio.create_task(app.enqueue("works", Work(1), tenant="t", key="k"))
        await until(lambda: "not available" in details(running)["journal"])
        await until(lambda: "not available" in details(running)["store"])
        assert any("not available" in reason for reason in running.readiness().reasons)
        assert not waiting.done()
        async with proxy:
            await waiting
            await running.wait_idle("works")
            await until(lambda: running.readiness().ready)
            assert all(child.restarts == 0 for child in running.node().children)
            await stack.aclose()
    assert "the journal waits for the database" in caplog.text
    assert [row["n"] for row in await admin.fetch("SELECT n FROM effect ORDER BY n")] == [0, 1]


async def test_an_app_that_starts_waits_for_the_server(
    proxy: CutProxy, admin: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    app = worker_app()

    async def work() -> None:
        async with run(app, proxy.address) as running:
            await app.enqueue("works", Work(0), tenant="t", key="k")
            await running.wait_idle("works")

    with caplog.at_level(logging.WARNING, "postroom.store"):
        working = asyncio.create_task(work())
        await until(lambda: "it is tried again for 60 s" in caplog.text)
        async with proxy:
            await working
    assert caplog.text.count("it is tried again") == 1
    assert await admin.fetchval("SELECT count(*) FROM effect") == 1


async def test_another_cluster_behind_the_address_is_refused_and_the_same_one_goes_on(
    proxy: CutProxy, database: Server, admin: Connection, tmp_path: Path
) -> None:
    app = worker_app()
    other = EmbeddedServer(tmp_path / "other")
    await other.start()
    there = address_of(other, database["database"])
    try:
        await run_sql(address_of(other), f"CREATE DATABASE {database['database']}")
        await migrate(there)
        async with contextlib.AsyncExitStack() as stack:
            async with proxy:
                running = await stack.enter_async_context(run(app, proxy.address))
                await app.enqueue("works", Work(0), tenant="t", key="k")
                await running.wait_idle("works")
            async with CutProxy(there, tmp_path):
                with pytest.raises(StoreError, match="another database cluster"):
                    await app.enqueue("works", Work(1), tenant="t", key="k")
                reason = await running.wait_stopped()
            assert isinstance(reason, AnotherClusterError)
        await run_sql(there, "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM postroom.event_log); END $$")
    finally:
        await other.stop()
    async with proxy, run(app, proxy.address) as running:
        await running.wait_idle("works")
    assert [row["n"] for row in await admin.fetch("SELECT n FROM effect")] == [0]


@pytest.mark.parametrize("seconds", [0.0, 0.3])
async def test_an_app_that_waited_for_long_enough_says_what_to_look_at(proxy: CutProxy, seconds: float) -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailableError, match=r"not available .*; check that the server runs"):
        async with run(worker_app(), proxy.address, database_wait_seconds=seconds):
            pass
    assert asyncio.get_running_loop().time() - began >= seconds


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_wait_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(SpecError, match="database_wait_seconds"):
        Settings(database_wait_seconds=seconds)
