"""Signatures and finalizers of an app that is killed at the named points of the commit path."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from runtime.durable.crash_points import VARIABLE
from runtime.store.postgres.pool import Connection
from tests.apps import url_of
from tests.fault.jobs_app import JOBS, POSTED
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
CRASHES = (
    "transaction.before_commit:1",
    "transaction.after_commit:1",
    "journal.after_commit:1",
    "chunk.before_commit:2",
    "chunk.after_commit:3",
    "transaction.after_commit:6",
    "journal.before_recorded:2",
    "outbox.before_commit:1",
    "outbox.after_commit:2",
)


async def start(database: Server, crash: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: crash}
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fault.jobs_app",
        url_of(database),
        cwd=ROOT,
        env=environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await asyncio.wait_for(program.wait(), 50)


async def test_each_signature_is_one_job_and_each_end_is_told_once_whenever_the_process_is_killed(
    database: Server, admin: Connection
) -> None:
    killed = [await start(database, crash) for crash in CRASHES]
    assert killed.count(0) < len(CRASHES)
    assert await start(database, "") == 0
    jobs = "SELECT count(*), count(DISTINCT id) FROM postroom.event_log WHERE type = 'Work'"
    total = JOBS + POSTED
    assert tuple(await admin.fetchrow(jobs) or ()) == (total, total)
    assert await admin.fetchval("SELECT count(*) FROM postroom.outbox") == 0
    told = await admin.fetch("SELECT outcome, count(*), count(DISTINCT job) FROM told GROUP BY 1 ORDER BY 1")
    failed = JOBS // 5
    assert [tuple(row) for row in told] == [("completed", JOBS - failed, JOBS - failed), ("failed", failed, failed)]
    completed = total - total // 5
    assert await admin.fetchval("SELECT count(DISTINCT n) FROM effect") == completed
    assert await admin.fetchval("SELECT count(*) FROM effect") == completed
    assert await admin.fetchval("SELECT count(*) FROM postroom.result") == completed
    answers = "SELECT count(*) FROM (SELECT n FROM answered GROUP BY n HAVING count(DISTINCT job) > 1) AS unsure"
    assert await admin.fetchval(answers) == 0
