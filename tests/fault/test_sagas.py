"""Sagas killed at every kind of write: each ends completed or fully undone, and each effect is there once.

`POSTROOM_SAGA_KILLS` sets how often the process is killed at each point; a full run takes 25.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from runtime import Running, Settings
from runtime.durable.crash_points import POINTS, VARIABLE
from runtime.errors import StoreUnavailableError
from runtime.store.postgres.pool import Connection
from sagas.sagas import ENDED
from tests.apps import url_of
from tests.fault.sagas_app import REFUSED, SAGAS, app_of_sagas, start_all
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("POSTROOM_SAGA_KILLS", "1"))
LIFE_SECONDS = 100
SERVER_KILLS = 4
"""Of which every other one is the end of all its connections but the one that asks for it."""
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name <> '' AND pid <> pg_backend_pid()"


async def live(database: Server, point: str = "") -> int:
    """Run the app until it has finished, or is killed at its point; return how it ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: point}
    command = [sys.executable, "-m", "tests.fault.sagas_app", url_of(database)]
    program = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    return await asyncio.wait_for(program.wait(), LIFE_SECONDS)


def expected(number: int) -> Counter[str]:
    """The effects of one saga: all steps, and their undoing where the last one is refused."""
    steps = ["first", "left", "right", "odd" if number % 2 else "even"]
    if number % REFUSED:
        return Counter([*steps, "last"])
    return Counter([*steps, *(f"undo {step}" for step in steps)])


async def require_exact(fetch: Any) -> None:
    found: dict[str, Counter[str]] = {}
    for row in await fetch("SELECT saga, what FROM effect"):
        found.setdefault(row["saga"], Counter())[row["what"]] += 1
    own = {f"s{number}": expected(number) for number in range(SAGAS)}
    assert {saga: effects for saga, effects in found.items() if saga in own} == own
    inside = [effects for saga, effects in found.items() if saga not in own]
    refused = len(range(0, SAGAS, REFUSED))
    assert inside.count(Counter(["within"])) == SAGAS - refused
    assert inside.count(Counter(["within", "undo within"])) == refused
    rows = await fetch(
        "SELECT state->'instance'->>'phase' AS phase, count(*) FROM postroom.state WHERE service = 'sagas' GROUP BY 1"
    )
    assert [tuple(row) for row in rows] == [("ended", 2 * SAGAS)]


async def test_a_server_that_is_killed_and_connections_that_are_cut_leave_every_saga_completed_or_undone(
    tmp_path: Path,
) -> None:
    app, sagas = app_of_sagas()
    async with app.running(Settings(data_dir=tmp_path)) as running:
        starting = asyncio.create_task(start_all(sagas))
        for kill in range(1, SERVER_KILLS + 1):
            while await effects(running) < kill * SAGAS // 2:  # noqa: ASYNC110 # the database is asked
                await asyncio.sleep(0.005)
            if kill % 2:
                assert running.server_pid is not None
                os.kill(running.server_pid, signal.SIGKILL)
            else:
                await running.database.execute(CUT)
        await starting
        for number in range(SAGAS):
            assert (await sagas.wait(f"s{number}")).status in ENDED
        for service in ("sagas", "work", "sagas"):
            await running.wait_idle(service)
        await require_exact(running.database.fetch)


async def effects(running: Running) -> int:
    """How many there are, once the server answers."""
    while True:
        with contextlib.suppress(StoreUnavailableError):
            count: int = await running.database.fetchval("SELECT count(*) FROM effect")
            return count
        await asyncio.sleep(0.02)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
async def test_kills_at_a_write_leave_every_saga_completed_or_undone(
    database: Server, admin: Connection, point: str
) -> None:
    for kill in range(KILLS):
        status = await live(database, f"{point}:{3 * kill + 1}")
        assert status in {0, -signal.SIGKILL}
    assert await live(database) == 0
    await require_exact(admin.fetch)
