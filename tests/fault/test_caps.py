"""A cap of the deployment, of which one process is killed: never exceeded, and used by the others afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from runtime.store.postgres.pool import Connection
from tests.apps import url_of
from tests.fault.caps_app import CAP, JOBS
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
Note = tuple[str, int, float]


async def start(database: Server, folder: Path, jobs: int = 0) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fault.caps_app", url_of(database), str(jobs)),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.DEVNULL,
    )


def read(folder: Path) -> list[Note]:
    path = folder / "notes"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(what, int(pid), float(at)) for what, pid, at in map(str.split, lines)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 # it is other processes' doing, which can only be looked at
            await asyncio.sleep(0.01)


async def divided(admin: Connection) -> None:
    """Return when two members have stated that they have half of the shards each."""
    async with asyncio.timeout(30):
        while True:
            if await admin.fetchval("SELECT to_regclass('postroom.portion')") is not None:
                stated = await admin.fetch("SELECT shards FROM postroom.portion")
                if [row["shards"] for row in stated] == [32, 32]:
                    return
            await asyncio.sleep(0.05)


def most_running(notes: list[Note], killed: int, killed_at: float) -> int:
    """How many handlers ran at once; what the killed process had begun ended with it."""
    open_starts = sum(1 if what == "start" else -1 for what, pid, _ in notes if pid == killed)
    steps = [(at, 1 if what == "start" else -1) for what, _, at in notes] + [(killed_at, -1)] * open_starts
    return max(accumulate(step for _, step in sorted(steps)))


async def test_a_cap_holds_over_processes_of_which_one_is_killed_and_its_part_goes_to_the_others(
    database: Server, admin: Connection, tmp_path: Path
) -> None:
    members = [await start(database, tmp_path), await start(database, tmp_path)]
    try:
        await divided(admin)
        members.append(await start(database, tmp_path, JOBS))
        victim = members[0]
        await until(lambda: sum(pid == victim.pid for _, pid, _ in read(tmp_path)) > 20)
        killed_at = time.monotonic()
        victim.kill()
        await victim.wait()
        assert await asyncio.wait_for(members[-1].wait(), 40) == 0
        notes = read(tmp_path)
        assert most_running(notes, victim.pid, killed_at) == CAP
        after = Counter(pid for what, pid, at in notes if at > killed_at + 0.5 and what == "start")
        assert victim.pid not in after
        assert len(after) == 2
        assert sum(what == "end" for what, _, _ in notes) >= JOBS
    finally:
        for member in members:
            if member.returncode is None:
                member.kill()
                await member.wait()
