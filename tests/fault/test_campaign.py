"""The crash campaign itself: a short one passes, and its checker sees what it is there to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from tests.fault.campaign_app import FLAKY, HISTORY, Note
from tests.fault.campaign_checker import Checker, ended_once, expected, out_of_order
from tests.fault.campaign_producer import SENT, Sent

ROOT = Path(__file__).parents[2]
LIVES = (uuid4(), uuid4())


def note(life: int, n: int, event: int = 0) -> Note:
    return Note(LIVES[life], "tracker", "t", "k", n, 1, EVENTS[event])


EVENTS = tuple(uuid4() for _ in range(3))


def checked(home: Path, *notes: Note) -> list[str]:
    sent = [Sent(event, "tracker", "t", "k", n) for n, event in enumerate(EVENTS)]
    (home / SENT).write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in sent))
    (home / HISTORY).write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in notes) + b'{"cut": "sh')
    checker = Checker(home)
    checker.condemned = set()
    checker._check_notes()
    return [broken.split(":")[0] for broken in checker.verdict.broken]


@pytest.mark.timeout(120)
def test_three_kills_lose_nothing_and_repeat_no_effect() -> None:
    command = [sys.executable, "-m", "tests.fault.campaign", "--quick", "--seed", "11"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill 3/3" in done.stdout


@pytest.mark.timeout(240)
def test_two_processes_that_are_killed_paused_and_cut_off_lose_nothing_either() -> None:
    command = [sys.executable, "-m", "tests.fault.campaign", "--quick", "--processes", "2", "--seed", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "which others took for dead" in done.stdout
    assert "kill 6/6" in done.stdout


def test_repeats_after_a_crash_are_no_fault(tmp_path: Path) -> None:
    assert checked(tmp_path, note(0, 0), note(0, 1, 1), note(1, 0), note(1, 1, 1), note(1, 2, 2)) == []


def test_a_lost_event_is_seen(tmp_path: Path) -> None:
    assert checked(tmp_path, note(0, 0), note(0, 1, 1)) == ["never handled"]


def test_a_repeat_without_a_crash_is_seen(tmp_path: Path) -> None:
    broken = checked(tmp_path, note(0, 0), note(0, 0), note(0, 1, 1), note(0, 2, 2))
    assert broken == ["handled twice without a crash between", "handled out of order"]


def test_events_out_of_order_are_seen(tmp_path: Path) -> None:
    broken = checked(tmp_path, note(0, 1, 1), note(0, 0), note(0, 2, 2))
    assert broken == ["handled out of order", "first handled out of order"]


def test_order_is_that_of_a_key_and_the_flaky_one_has_none() -> None:
    a, b, flaky = ("s", "t", "a"), ("s", "t", "b"), ("s", "t", FLAKY)
    assert list(out_of_order([(a, (1, 1)), (b, (0, 1)), (a, (2, 1)), (flaky, (5, 1)), (flaky, (3, 2))])) == []
    assert list(out_of_order([(a, (2, 1)), (b, (0, 1)), (a, (1, 1))])) == [(a, (2, 1), (1, 1))]


def test_where_the_order_is_strict_the_flaky_key_has_one_and_its_attempts_too() -> None:
    flaky = ("strict-tracker", "t", FLAKY)
    assert list(out_of_order([(flaky, (1, 1)), (flaky, (1, 2)), (flaky, (2, 1))])) == []
    assert list(out_of_order([(flaky, (1, 1)), (flaky, (2, 1)), (flaky, (1, 2))])) == [(flaky, (2, 1), (1, 2))]
    assert list(out_of_order([(flaky, (1, 2)), (flaky, (1, 1))])) == [(flaky, (1, 2), (1, 1))]


@pytest.mark.parametrize("kinds", [[], [None], [1, 1], [1, None], [2], [1, 2], [1, 3]])
def test_anything_but_one_final_outcome_is_seen(kinds: list[int]) -> None:
    assert not ended_once(kinds)


def test_outcomes_are_those_that_the_handlers_bring_about() -> None:
    event = uuid4()
    assert expected(Sent(event, "ledger", "t", "k0", 2)) == [1]
    assert expected(Sent(event, "ledger", "t", FLAKY, 1)) == [2, 1]
    assert expected(Sent(event, "ledger", "t", FLAKY, 2)) == [2, 2, 3]
    assert expected(Sent(event, "strict-ledger", "t", FLAKY, 2)) == [3]
