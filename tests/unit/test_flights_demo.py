"""The small decisions of the demo: which port, and under which name it is started again."""

from __future__ import annotations

import contextlib
import socket
import sys
from pathlib import Path

import pytest

from bench.demo import ANY_PORT, default_address, program_name
from runtime.settings import DEFAULT_HTTP


def test_a_busy_port_is_no_obstacle() -> None:
    host, _, port = DEFAULT_HTTP.rpartition(":")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # something else has it already, which serves as well
            taken.bind((host, int(port)))
            taken.listen()

        assert default_address() == ANY_PORT


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "postroom"
    path.touch(mode=0o755)
    return path


def test_a_program_off_the_path_is_named_by_where_it_is(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")

    assert program_name() == str(program)


def test_a_program_on_the_path_is_named_shortly(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(program.parent))

    assert program_name() == "postroom"


def test_a_program_started_in_another_way_is_named_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["-c"])

    assert program_name() == "postroom"
