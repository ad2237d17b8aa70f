"""Each moment of a schedule brings one event, whatever is killed, restarted or away, and whoever else looks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path

import pytest

from runtime import Running
from runtime.durable.crash_points import VARIABLE
from runtime.errors import StoreUnavailableError
from runtime.store.postgres.pool import Connection
from tests.apps import run, url_of
from tests.fault.cut_proxy import CutProxy
from tests.fault.schedules_app import COME, SCHEDULES, STAY, TENANTS, schedules_app
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
ALL = SCHEDULES * len(TENANTS)
CRASHES = ("schedules.before_commit:1", "schedules.after_commit:1", "schedules.before_commit:2")
KILLS = 3
RUNS = "SELECT count(*), count(DISTINCT (tenant, n)) FROM done"
PATIENCE_SECONDS = 20.0


async def spawn(database: Server, *arguments: str, crash: str = "") -> asyncio.subprocess.Process:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: crash}
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.fault.schedules_app", url_of(database), *arguments],
        cwd=ROOT,
        env=environment,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def start(database: Server, crash: str = "") -> int:
    program = await spawn(database, crash=crash)
    return await asyncio.wait_for(program.wait(), 50)


async def counted(admin: Connection) -> tuple[int, int]:
    """How many runs there were, and of how many schedules."""
    row = await admin.fetchrow(RUNS)
    assert row is not None
    return row[0], row[1]


async def standings(admin: Connection) -> tuple[int, int]:
    """How many schedules have run once and have nothing waiting, and how many other ones there are."""
    one = "standing::jsonb ->> 'runs' = '1' AND standing::jsonb ->> 'waiting_at' IS NULL"
    row = await admin.fetchrow(
        f"SELECT count(*) FILTER (WHERE {one}), count(*) FILTER (WHERE NOT ({one})) FROM postroom.schedule"
    )
    assert row is not None
    return row[0], row[1]


async def until_counted(admin: Connection, runs: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await counted(admin))[0] < runs:  # noqa: ASYNC110 # others write it
            await asyncio.sleep(0.02)


async def test_each_moment_runs_once_whenever_the_process_is_killed(database: Server, admin: Connection) -> None:
    assert await start(database) == 0
    await admin.execute(COME)
    killed = [await start(database, crash) for crash in CRASHES]
    assert 0 not in killed
    assert await start(database) == 0
    assert await counted(admin) == (ALL, ALL)
    assert await standings(admin) == (ALL, 0)


async def test_each_moment_runs_once_when_one_of_two_processes_is_killed_meanwhile(
    database: Server, admin: Connection
) -> None:
    async with run(schedules_app(), database) as other:
        for number in range(KILLS):
            program = await spawn(database, STAY)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(await other.operations.members()) < 2:  # noqa: ASYNC110 # it is the other process's doing
                    await asyncio.sleep(0.02)
            await admin.execute(COME)
            await until_counted(admin, number * ALL + 1)
            program.kill()
            await program.wait()
            await until_counted(admin, (number + 1) * ALL)
            await other.wait_idle("steps")
    assert await counted(admin) == (KILLS * ALL, ALL)
    runs = await admin.fetch("SELECT DISTINCT standing::jsonb ->> 'runs' FROM postroom.schedule")
    assert [row[0] for row in runs] == [str(KILLS)]


async def test_two_processes_that_look_at_once_bring_each_moment_once(database: Server, admin: Connection) -> None:
    async with run(schedules_app(), database) as one, run(schedules_app(), database) as other:
        await admin.execute(COME)
        due = await one.store.schedules.due(one.clock.now(), 1_000)
        assert len(due) == ALL
        await asyncio.gather(*(fire_all(each) for each in (one, other)))
        await until_counted(admin, ALL)
        await one.wait_idle("steps")
    assert await counted(admin) == (ALL, ALL)
    assert await standings(admin) == (ALL, 0)


async def fire_all(running: Running) -> None:
    """Look as a process does that takes itself for the one whose work it is."""
    schedules = running.schedules
    while due := await running.store.schedules.due(running.clock.now(), 7):
        with contextlib.suppress(StoreUnavailableError):
            await schedules._fire(due)


async def test_another_process_goes_on_where_the_one_that_looked_has_ended(database: Server, admin: Connection) -> None:
    async with run(schedules_app(), database) as other:
        async with run(schedules_app(), database):
            await admin.execute(COME)
            await until_counted(admin, ALL)
            await other.wait_idle("steps")
        await admin.execute(COME)
        await until_counted(admin, 2 * ALL)
        await other.wait_idle("steps")
    assert await counted(admin) == (2 * ALL, ALL)


async def test_moments_that_come_while_the_server_is_away_run_when_it_is_back(
    database: Server, admin: Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "postroom.schedules")
    proxy = CutProxy(database, tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        async with proxy:
            running = await stack.enter_async_context(run(schedules_app(), proxy.address))
        await admin.execute(COME)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "schedules are looked at later" not in caplog.text:  # noqa: ASYNC110 # as above
                await asyncio.sleep(0.02)
        assert await counted(admin) == (0, 0)
        async with proxy:
            await until_counted(admin, ALL)
            await running.wait_idle("steps")
            part = next(child for child in running.node().children if child.name == "schedules")
            await stack.aclose()
    assert part.restarts == 0
    assert await counted(admin) == (ALL, ALL)
    assert await standings(admin) == (ALL, 0)
