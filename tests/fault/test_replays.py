"""A replay that is killed in the middle runs each event again once."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from uuid import UUID

from runtime.durable.crash_points import VARIABLE
from runtime.durable.ids import IdSource
from runtime.store.postgres.pool import Connection
from tests.apps import url_of
from tests.fault.replay_app import EVENTS
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
CRASHES = ("replays.before_commit:1", "replays.after_commit:1", "replays.before_commit:2", "replays.after_commit:1")


async def start(database: Server, request_id: UUID | None, crash: str = "") -> int:
    arguments = [url_of(database), *([str(request_id)] if request_id else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: crash}
    program = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.fault.replay_app", *arguments],
        cwd=ROOT,
        env=environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await asyncio.wait_for(program.wait(), 50)


async def test_each_event_runs_again_once_whenever_the_process_is_killed(database: Server, admin: Connection) -> None:
    assert await start(database, None) == 0
    request_id = IdSource().new_id()
    killed = [await start(database, request_id, crash) for crash in CRASHES]
    assert 0 not in killed[:2]
    assert await start(database, request_id) == 0
    assert await admin.fetchval("SELECT count(*) FROM done") == 2 * EVENTS
    assert (
        await admin.fetchval("SELECT count(*) FROM (SELECT n FROM done GROUP BY n HAVING count(*) = 2) AS n") == EVENTS
    )
    origins = "SELECT count(*), count(DISTINCT origin) FROM postroom.event_log WHERE origin IS NOT NULL"
    assert tuple(await admin.fetchrow(origins) or ()) == (EVENTS, EVENTS)
    request = await admin.fetchrow("SELECT replayed, matched, finished_at FROM postroom.replay_request")
    assert request is not None
    assert (request["replayed"], request["matched"]) == (EVENTS, EVENTS)
    assert request["finished_at"] is not None
