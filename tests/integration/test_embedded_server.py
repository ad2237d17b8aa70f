"""The embedded server, started for real."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from actors.errors import SpecError
from runtime.embedded import (
    DataDirectoryInUseError,
    EmbeddedServer,
    NotAClusterError,
    NotWritableError,
    ServerNotRunningError,
    ServerStartError,
)
from runtime.embedded.log import LOG_FILE

SECOND = """
import asyncio, sys
from pathlib import Path
from actors.errors import PostroomError
from runtime.embedded import EmbeddedServer
try:
    asyncio.run(EmbeddedServer(Path(sys.argv[1])).start())
except PostroomError as error:
    print(f"{type(error).__name__}: {error}")
"""


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def ask(server: EmbeddedServer, query: str) -> Any:
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    made = EmbeddedServer(tmp_path / ".postroom")
    yield made
    await made.stop()


async def test_a_setting_that_postgresql_does_not_take_is_told_in_one_line(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, settings={"shared_buffers": "plenty"})
    with pytest.raises(ServerStartError) as caught:
        await server.start()
    assert "shared_buffers" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert server.pid is None
    await server.stop()


async def test_after_a_failed_start_nothing_is_held(tmp_path: Path) -> None:
    with pytest.raises(ServerStartError):
        await EmbeddedServer(tmp_path, settings={"no_such_setting": "1"}).start()
    server = EmbeddedServer(tmp_path)
    await server.start()
    await server.stop()


def test_a_reserved_setting_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        EmbeddedServer(tmp_path, settings={"listen_addresses": "*"})


async def test_before_the_start_there_is_nothing_to_connect_to_or_to_wait_for(server: EmbeddedServer) -> None:
    await server.stop()
    assert server.pid is None
    with pytest.raises(ServerNotRunningError):
        server.dsn()
    with pytest.raises(ServerNotRunningError):
        await server.wait_exit()


@pytest.mark.parametrize("content", [None, "", "eighteen\n"])
async def test_what_is_not_a_cluster_is_left_alone(tmp_path: Path, content: str | None) -> None:
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    if os.geteuid() == 0:
        os.chown(cluster, 65534, 65534)
    if content is not None:
        (cluster / "PG_VERSION").write_text(content, encoding="ascii")
    before = names_in(cluster)
    with pytest.raises(NotAClusterError):
        await EmbeddedServer(tmp_path).start()
    assert names_in(cluster) == before


async def test_a_cluster_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "cluster").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotAClusterError):
        await EmbeddedServer(tmp_path).start()


async def test_a_file_in_the_place_of_the_directory_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(NotWritableError, match="File exists"):
        await EmbeddedServer(path).start()
    with pytest.raises(NotWritableError, match="Not a directory"):
        await EmbeddedServer(path / "below").start()


async def test_a_second_runtime_is_refused_and_told_the_pid(server: EmbeddedServer, tmp_path: Path) -> None:
    await server.start()
    with pytest.raises(DataDirectoryInUseError, match=f"process {os.getpid()};"):
        await EmbeddedServer(tmp_path / ".postroom").start()
    command = [sys.executable, "-c", SECOND, str(tmp_path / ".postroom")]
    answer = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("DataDirectoryInUseError: ")
    assert f"process {os.getpid()};" in answer.stdout
    assert await ask(server, "select 1") == 1


async def test_it_starts_durable_checked_and_without_a_network(server: EmbeddedServer) -> None:
    await server.start()
    names = ("fsync", "synchronous_commit", "data_checksums", "server_encoding", "listen_addresses", "jit")
    assert [await ask(server, f"show {name}") for name in names] == ["on", "on", "on", "UTF8", "", "off"]
    assert await ask(server, "select datcollate from pg_database where datname = current_database()") == "C"


async def test_it_is_the_pinned_major_and_the_process_that_it_says(server: EmbeddedServer) -> None:
    await server.start()
    assert await ask(server, "select current_setting('server_version_num')::int / 10000") == 18
    assert server.pid is not None
    backend_parent = await ask(server, "select pg_backend_pid()")
    assert backend_parent != server.pid
    os.kill(server.pid, 0)


async def test_nobody_but_its_account_may_enter_the_sockets_directory(server: EmbeddedServer) -> None:
    await server.start()
    host = Path(server.dsn().host)
    assert mode(host) == 0o700
    assert mode(host / ".s.PGSQL.5432") == 0o700


async def test_settings_reach_the_server(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, settings={"work_mem": "7MB"})
    await server.start()
    assert await ask(server, "show work_mem") == "7MB"
    await server.stop()


async def test_alter_system_cannot_open_it_to_a_network(server: EmbeddedServer) -> None:
    await server.start()
    await ask(server, "alter system set listen_addresses = '*'")
    await server.stop()
    await server.start()
    assert await ask(server, "show listen_addresses") == ""


async def test_what_was_committed_is_there_after_a_stop_and_a_start(server: EmbeddedServer) -> None:
    await server.start()
    await ask(server, "create table kept as select 42 as answer")
    await server.stop()
    await server.start()
    assert await ask(server, "select answer from kept") == 42


async def test_start_and_stop_are_safe_twice(server: EmbeddedServer) -> None:
    await server.start()
    pid = server.pid
    await server.start()
    assert server.pid == pid
    await server.stop()
    await server.stop()
    assert server.pid is None


async def test_starts_at_the_same_time_start_one_server(server: EmbeddedServer) -> None:
    await asyncio.gather(*(server.start() for _ in range(3)))
    assert await ask(server, "select 1") == 1


async def test_who_waits_for_the_end_hears_of_a_stop(server: EmbeddedServer) -> None:
    await server.start()
    waiting = asyncio.create_task(server.wait_exit())
    await asyncio.sleep(0)
    await server.stop()
    assert await waiting == "stopped"


async def test_a_stop_does_not_wait_for_clients(server: EmbeddedServer) -> None:
    await server.start()
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    await asyncio.wait_for(server.stop(), 5)
    connection.terminate()


async def test_a_cancelled_stop_can_be_repeated(server: EmbeddedServer) -> None:
    await server.start()
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await server.start()
    assert await ask(server, "select 1") == 1


async def test_a_cancelled_start_leaves_nothing_behind(server: EmbeddedServer, tmp_path: Path) -> None:
    starting = asyncio.create_task(server.start())
    while not list((tmp_path / ".postroom").glob(".cluster-*/PG_VERSION")):  # noqa: ASYNC110  # no event tells it
        await asyncio.sleep(0.001)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert names_in(tmp_path / ".postroom") == ["lock"]
    await server.start()


async def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("deep" * 20) / ("down" * 20))
    await server.start()
    parent, name = os.path.split(server.dsn().host)
    assert len(server.dsn().host) < 80
    assert await ask(server, "select 1") == 1
    await server.stop()
    assert name not in names_in(Path(parent))


async def test_a_path_with_unusual_characters_works(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "a, 'b' \"c\" ü %d")
    await server.start()
    assert await ask(server, "select 1") == 1
    await server.stop()


async def test_its_words_go_to_its_log_and_not_to_the_terminal(
    server: EmbeddedServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await server.start()
    with pytest.raises(asyncpg.UndefinedTableError):
        await ask(server, "select * from nowhere")
    await server.stop()
    log = (tmp_path / ".postroom" / LOG_FILE).read_text(encoding="utf-8")
    assert 'relation "nowhere" does not exist' in log
    assert "database system is shut down" in log
    assert capfd.readouterr() == ("", "")


async def test_variables_of_other_servers_do_not_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "x", "TZ": "Mars"}.items():
        monkeypatch.setenv(name, value)
    server = EmbeddedServer(tmp_path)
    await server.start()
    assert await ask(server, "show timezone") == "UTC"
    await server.stop()


async def test_a_relative_directory_is_found_again_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = EmbeddedServer(Path(".postroom"))
    monkeypatch.chdir("/")
    await server.start()
    assert (tmp_path / ".postroom" / "cluster" / "PG_VERSION").exists()
    await server.stop()


def test_it_works_in_uvloop_too(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def lifecycle() -> int:
        server = EmbeddedServer(tmp_path)
        await server.start()
        answer: int = await ask(server, "select 1")
        await server.stop()
        return answer

    assert uvloop.run(lifecycle()) == 1
