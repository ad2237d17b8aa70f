"""How running apps are found, and what is not believed."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from runtime.cells import rendezvous
from runtime.cells.rendezvous import Announcement, RendezvousError, announce, is_private, running_apps, withdraw
from runtime.clock import SystemClock
from runtime.http import HttpServer
from tests.desk import Desk


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The private directory of this test's user."""
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "run" / "postroom"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[HttpServer]:
    server = HttpServer(Desk(), "127.0.0.1:0", clock=SystemClock(), incarnation=uuid4(), data_dir=tmp_path)
    await server.start()
    yield server
    await server.stop(1.0)


async def found() -> list[Announcement]:
    return await asyncio.to_thread(running_apps)


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def announced(**changes: object) -> Announcement:
    made = Announcement("flights", os.getpid(), uuid4(), "http://127.0.0.1:1", None, 0.0)
    return msgspec.structs.replace(made, **changes)


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


async def test_a_running_app_is_found_until_it_stops(server: HttpServer, directory: Path, tmp_path: Path) -> None:
    (app,) = await found()
    assert (app.app, app.pid, app.url) == ("flights", os.getpid(), server.url)
    assert app.data_dir == str(tmp_path)
    await server.stop(1.0)
    assert await found() == []
    assert files(directory) == []


def test_the_directory_is_private(directory: Path) -> None:
    announce(announced())
    assert directory.stat().st_mode & 0o777 == 0o700


async def test_the_file_of_a_dead_process_is_removed(directory: Path) -> None:
    announce(announced(pid=ended_pid()))
    assert await found() == []
    assert files(directory) == []


async def test_the_file_of_a_process_that_no_longer_listens_is_removed(directory: Path) -> None:
    announce(announced())
    assert await found() == []
    assert files(directory) == []


async def test_another_incarnation_on_the_same_port_is_not_taken_for_the_announced_one(server: HttpServer) -> None:
    announce(announced(url=server.url))
    (app,) = await found()
    assert app.url == server.url


async def test_an_app_that_is_slow_to_answer_is_passed_over_but_can_be_found_later(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendezvous, "PROBE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        announce(announced(url=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        assert await found() == []
        assert len(files(directory)) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"app": "flights"}'])
async def test_a_file_that_means_nothing_is_passed_over(server: HttpServer, directory: Path, content: bytes) -> None:
    (directory / "other.json").write_bytes(content)
    assert len(await found()) == 1


async def test_without_a_runtime_directory_of_the_system_a_private_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    announce(announced(pid=ended_pid()))
    made = tmp_path / f"postroom-{os.geteuid()}"
    assert is_private(made)
    assert len(files(made)) == 1


def test_a_directory_that_others_may_enter_is_not_used(directory: Path, tmp_path: Path) -> None:
    directory.mkdir()
    directory.chmod(0o755)
    fallback = tmp_path / f"postroom-{os.geteuid()}"
    fallback.symlink_to(tmp_path)
    with pytest.raises(RendezvousError, match="--url"):
        announce(announced())
    assert running_apps() == []


def test_a_link_is_not_private(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert is_private(tmp_path / "real")
    assert not is_private(tmp_path / "link")
    assert not is_private(tmp_path / "missing")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_not_private(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    os.chown(tmp_path / "real", 65534, -1)
    assert not is_private(tmp_path / "real")


def test_withdrawing_what_was_never_announced_is_harmless() -> None:
    withdraw(UUID(int=5))


@pytest.fixture
def nowhere(directory: Path, tmp_path: Path) -> None:
    directory.symlink_to(tmp_path)
    (tmp_path / f"postroom-{os.geteuid()}").symlink_to(tmp_path)


async def test_an_app_that_cannot_announce_itself_runs_all_the_same(
    nowhere: None, caplog: pytest.LogCaptureFixture
) -> None:
    server = HttpServer(Desk(), "127.0.0.1:0", clock=SystemClock())
    await server.start()
    assert server.url is not None
    assert "--url" in caplog.text
    await server.stop(1.0)
