"""Sagas killed at every kind of write: each ends completed or fully undone, and each effect is there once.

`POSTROOM_SAGA_KILLS` sets how often the process is killed at each point; a full run takes 25.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from runtime.durable.crash_points import POINTS, VARIABLE
from runtime.store.postgres.pool import Connection
from tests.apps import url_of
from tests.fault.sagas_app import REFUSED, SAGAS
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("POSTROOM_SAGA_KILLS", "1"))
LIFE_SECONDS = 100


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


async def require_exact(admin: Connection) -> None:
    found: dict[str, Counter[str]] = {}
    for row in await admin.fetch("SELECT saga, what FROM effect"):
        found.setdefault(row["saga"], Counter())[row["what"]] += 1
    own = {f"s{number}": expected(number) for number in range(SAGAS)}
    assert {saga: effects for saga, effects in found.items() if saga in own} == own
    inside = [effects for saga, effects in found.items() if saga not in own]
    refused = len(range(0, SAGAS, REFUSED))
    assert inside.count(Counter(["within"])) == SAGAS - refused
    assert inside.count(Counter(["within", "undo within"])) == refused
    rows = await admin.fetch(
        "SELECT state->'instance'->>'phase' AS phase, count(*) FROM postroom.state WHERE service = 'sagas' GROUP BY 1"
    )
    assert [tuple(row) for row in rows] == [("ended", 2 * SAGAS)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
async def test_kills_at_a_write_leave_every_saga_completed_or_undone(
    database: Server, admin: Connection, point: str
) -> None:
    for kill in range(KILLS):
        status = await live(database, f"{point}:{3 * kill + 1}")
        assert status in {0, -signal.SIGKILL}
    assert await live(database) == 0
    await require_exact(admin)
