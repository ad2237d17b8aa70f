"""The claim that a server leaves in `postmaster.pid`."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.embedded.pid_file import PID_FILE, PidFile, parse_pid_file, read_pid_file

RUNNING = "4711\n/srv/app/.postroom/cluster\n1760000000\n5432\n/srv/app\n\n  5432001   65536\nready   \n"


@pytest.mark.parametrize("text", ["", "\n", "ready\n", "0\n", "12x\n", "\x00\x00\x00"])
def test_a_garbled_file_claims_nothing(text: str) -> None:
    assert parse_pid_file(text) is None


def test_a_negative_pid_is_a_single_user_session() -> None:
    assert parse_pid_file("-4711\n/srv\n") == PidFile(pid=4711, standalone=True)


def test_the_status_is_empty_until_the_server_has_written_it() -> None:
    assert parse_pid_file("4711\n/srv\n1760000000\n5432\n\n\n") == PidFile(pid=4711)


def test_a_complete_file_tells_pid_and_status() -> None:
    assert parse_pid_file(RUNNING) == PidFile(pid=4711, status="ready")


def test_no_file_claims_nothing(tmp_path: Path) -> None:
    assert read_pid_file(tmp_path) is None


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / PID_FILE).write_text(RUNNING, encoding="ascii")
    assert read_pid_file(tmp_path) == PidFile(pid=4711, status="ready")
