"""The demo from end to end, with its own PostgreSQL."""

from __future__ import annotations

import re
import signal
import sys
from asyncio import create_subprocess_exec, subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.apps import url_of
from tests.demo import Demo
from tests.flights import delays, first_flights, rows_of
from tests.postgres import Server

README = Path(__file__).parents[2] / "README.md"
FLIGHTS = 600


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path)


@pytest.fixture
def month(tmp_path: Path) -> Path:
    """The first 600 flights: 598 arrived, a MQ and an EV never did."""
    return first_flights(tmp_path / "flights.csv", FLIGHTS)


async def test_every_flight_has_its_outcome_and_its_effect_once(demo: Demo, month: Path) -> None:
    report = await demo.report("--input", str(month))

    rows = rows_of(month)
    assert {name: report[name] for name in ("accepted", "done", "dead_letters", "lost")} == {
        "accepted": 600,
        "done": 598,
        "dead_letters": 2,
        "lost": 0,
    }
    assert {each["carrier"]: each["events"] for each in report["airlines"]} == Counter(row["carrier"] for row in rows)
    assert {each["carrier"] for each in report["airlines"] if each["dead_letters"]} == {"EV", "MQ"}
    async with demo.database() as database:
        assert tuple(await database.fetchrow("SELECT count(*), sum(arr_delay) FROM flights.arrival") or ()) == (
            598,
            5205,
        )
        per_aircraft = await database.fetchrow("SELECT sum(arrivals), sum(total_delay) FROM flights.aircraft")
        assert tuple(per_aircraft or ()) == (598, sum(delays(rows)))
        causes = await database.fetch("SELECT DISTINCT cause_type FROM postroom.dead_letter")
        assert [cause[0].rpartition(".")[2] for cause in causes] == ["MissingArrivalError"]


async def test_at_a_pace_it_says_how_long_the_smallest_airlines_waited(demo: Demo, month: Path) -> None:
    report = await demo.report("--input", str(month), "--speed", "1000000")
    _, out, _ = await demo.run("--input", str(month), "--speed", "1000000")

    assert (report["accepted"], report["done"], report["dead_letters"], report["lost"]) == (600, 598, 2, 0)
    assert len(report["small"]["airlines"]) == 5
    assert ", the smallest airlines: " in out


async def test_a_speed_that_is_none_is_refused(demo: Demo) -> None:
    status, _, err = await demo.run("--speed", "0")

    assert (status, err) == (1, "postroom: error: speed: must be a finite number above 0, not 0.0\n")


async def test_a_second_run_starts_afresh(demo: Demo, month: Path) -> None:
    await demo.report("--input", str(month))
    report = await demo.report("--input", str(first_flights(month, 100)))

    assert (report["accepted"], report["resumed"]) == (100, False)
    async with demo.database() as database:
        assert await database.fetchval("SELECT count(*) FROM flights.arrival") == 100


async def test_a_replay_cut_off_by_a_signal_is_taken_up(demo: Demo, tmp_path: Path) -> None:
    flights = str(first_flights(tmp_path / "flights.csv", 8000))
    program = await demo.start("--json", "--input", flights)
    await demo.wait_handled(2000)
    program.send_signal(signal.SIGTERM)
    _, err = await program.communicate()
    assert program.returncode == 1
    assert err.decode().endswith("the same command takes it up again\n")
    assert "Traceback" not in err.decode()

    report = await demo.report("--input", flights)

    assert (report["resumed"], report["accepted"], report["lost"]) == (True, 8000, 0)


async def test_another_input_does_not_take_up_an_unfinished_replay(demo: Demo, month: Path) -> None:
    program = await demo.start("--json")
    await demo.wait_handled(1)
    program.send_signal(signal.SIGINT)
    await program.communicate()

    status, _, err = await demo.run("--input", str(month))

    assert status == 1
    assert err.startswith("postroom: error: an unfinished replay of another input is here")
    assert err.count("\n") == 1


async def test_people_get_a_table_and_what_to_do_next(demo: Demo, month: Path) -> None:
    status, out, err = await demo.run("--input", str(month))

    assert (status, err) == (0, "")
    assert re.search(r"UA +United Air Lines Inc\. +123 +123 +0 ", out)
    assert "600 events accepted, 598 done, 2 dead letters, 0 lost" in out
    assert f"postroom dead-letters list --limit 5 --data {demo.data}" in out


async def test_serving_goes_on_until_a_signal_and_ends_well(demo: Demo, month: Path) -> None:
    program = await demo.start("--input", str(month), "--serve")
    assert program.stdout is not None
    while b"Serving until" not in (line := await program.stdout.readline()):
        assert line
    assert len(demo.urls()) == 1
    program.send_signal(signal.SIGTERM)
    _, err = await program.communicate()

    assert (program.returncode, err) == (0, b"")


async def test_a_wrong_input_is_one_line_before_anything_starts(demo: Demo, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n")

    status, out, err = await demo.run("--input", str(wrong), "--json")

    assert (status, out) == (1, "")
    assert err.startswith(f"postroom: error: {wrong}: is not a CSV of flights")
    assert err.count("\n") == 1
    assert not demo.data.exists()


async def test_it_runs_on_a_database_that_is_named(demo: Demo, month: Path, empty_database: Server) -> None:
    report = await demo.report("--input", str(month), "--database", url_of(empty_database))

    assert (report["accepted"], report["lost"]) == (600, 0)
    assert not demo.data.exists()


async def test_the_example_in_the_readme_runs(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "welcome.py").write_text(found[1])

    program = await create_subprocess_exec(
        sys.executable, "welcome.py", cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )

    assert await program.communicate() == (b"1 greeted\n", b"")
