"""The demo is killed in the middle, or its database is: nothing is lost, and nothing happens twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.demo import MONTH
from runtime.embedded.cluster import CLUSTER_FOLDER
from tests.demo import Demo
from tests.flights import delays, first_flights, rows_of

KILLS = 3
HANDLED_BEFORE_A_KILL = 3000
FLIGHTS = 9000

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path)


async def require_exact(demo: Demo, report: Any, flights: Path) -> None:
    """Compare with the file itself what the report says and what lies in the database."""
    rows = rows_of(flights)
    arrived = delays(rows)
    missing = len(rows) - len(arrived)
    totals = {name: report[name] for name in ("accepted", "done", "dead_letters", "lost")}
    expected = {"accepted": len(rows), "done": len(arrived), "dead_letters": missing, "lost": 0}
    async with demo.database() as database:
        arrivals = await database.fetchrow("SELECT count(*), sum(arr_delay) FROM flights.arrival")
        aircraft = await database.fetchrow("SELECT sum(arrivals), sum(total_delay) FROM flights.aircraft")
        dead = await database.fetchval("SELECT count(*) FROM postroom.dead_letter")
        waiting = await database.fetchval("SELECT count(*) FROM postroom.event WHERE outcome IS NULL")
        delayed = await database.fetchval("SELECT count(*) FROM postroom.delayed")

    assert totals == expected
    assert tuple(arrivals or ()) == tuple(aircraft or ()) == (len(arrived), sum(arrived))
    assert (dead, waiting, delayed) == (missing, 0, 0)


async def test_three_kills_of_the_demo_lose_nothing_and_repeat_nothing(demo: Demo) -> None:
    for _ in range(KILLS):
        program = await demo.start("--json")
        await demo.wait_handled(HANDLED_BEFORE_A_KILL)
        program.kill()
        out, _ = await program.communicate()
        assert out == b"", "it was over before the kill"
        demo.forget_announcements()

    report = await demo.report()

    assert report["resumed"] is True
    assert (report["accepted"], report["done"], report["dead_letters"]) == (27_004, 26_398, 606)
    await require_exact(demo, report, MONTH)


async def test_a_kill_of_the_database_server_is_survived_without_a_restart_of_the_demo(
    demo: Demo, tmp_path: Path
) -> None:
    flights = first_flights(tmp_path / "flights.csv", FLIGHTS)
    program = await demo.start("--json", "--input", str(flights))
    await demo.wait_handled(HANDLED_BEFORE_A_KILL)
    os.kill(server_pid(demo.data), signal.SIGKILL)
    out, err = await program.communicate()

    assert program.returncode == 0, err.decode()
    await require_exact(demo, msgspec.json.decode(out), flights)


def server_pid(data: Path) -> int:
    return int((data / CLUSTER_FOLDER / "postmaster.pid").read_text().splitlines()[0])
