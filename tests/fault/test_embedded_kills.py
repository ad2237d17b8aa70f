"""kill -9 on both sides of the embedded server, and what killed processes leave behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from runtime.embedded import DataDirectoryInUseError, EmbeddedServer
from runtime.embedded.account import Account, server_account
from runtime.embedded.binaries import packaged_binaries
from runtime.embedded.cluster import doorway
from runtime.embedded.configuration import command_line, server_settings
from runtime.embedded.orphan import works_on_by_ps
from runtime.embedded.pid_file import PID_FILE, read_pid_file

APP = """
import asyncio, sys
from pathlib import Path
from runtime.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    print("starting", flush=True)
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def ask(server: EmbeddedServer, query: str) -> Any:
    connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # other processes set no event
            await asyncio.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that waits only for its parent to look does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return read_state(pid) not in {"", "Z"}


def read_state(pid: int) -> str:
    answer = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()[:1]


async def start_app(data_dir: Path) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", APP, str(data_dir), stdout=PIPE)


async def read_line(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def start_loose_server(cluster: Path, *, by_path: bool = False) -> Process:
    """A server on `cluster` that nobody looks after, such as a killed app leaves where it cannot take it along."""
    account = server_account(cluster)
    with doorway(cluster, account) as door:
        path = str(cluster) if by_path else door.path
        settings = server_settings({}) | {"unix_socket_directories": path}
        process = await asyncio.create_subprocess_exec(
            *(str(packaged_binaries()[0].postgres), "-D", path, *command_line(settings)),
            stderr=subprocess.DEVNULL,
            pass_fds=door.pass_fds,
            cwd="/",
            start_new_session=True,
            **(identity(account) if account.borrowed else {}),
        )

    def ready() -> bool:
        claim = read_pid_file(cluster)
        return claim is not None and claim.pid == process.pid and claim.status == "ready"

    await until(ready)
    return process


def identity(account: Account) -> dict[str, Any]:
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / ".postroom"


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedServer]:
    made = EmbeddedServer(data_dir)
    yield made
    await made.stop()


@pytest.fixture
async def stopped(server: EmbeddedServer, data_dir: Path) -> EmbeddedServer:
    """A server that has run, holds a table `kept`, and is stopped."""
    await server.start()
    await ask(server, "create table kept as select 42 as answer")
    await server.stop()
    return server


@pytest.fixture
async def bystander(data_dir: Path, stopped: EmbeddedServer) -> AsyncIterator[Process]:
    """A live process of the server's account that has nothing to do with it."""
    account = server_account(data_dir / "cluster")
    process = await asyncio.create_subprocess_exec("sleep", "600", **(identity(account) if account.borrowed else {}))
    yield process
    process.kill()
    await process.wait()


async def test_the_end_of_a_killed_server_is_told(server: EmbeddedServer) -> None:
    await server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await server.wait_exit() == "killed by signal 9"
    assert server.pid is None


async def test_a_server_shut_down_by_somebody_else_is_told(server: EmbeddedServer) -> None:
    await server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGINT)
    assert await server.wait_exit() == "exited with status 0"


async def test_a_killed_server_starts_again_with_all_that_was_committed(server: EmbeddedServer) -> None:
    await server.start()
    await ask(server, "create table counted (n int)")
    for n in range(3):
        await ask(server, f"insert into counted values ({n})")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait_exit()
        await server.start()
    assert await ask(server, "select count(*) from counted") == 3


async def test_a_killed_server_can_be_stopped(server: EmbeddedServer, data_dir: Path) -> None:
    await server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait_exit()
    await server.stop()
    await server.start()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the start waits for the backend")
async def test_a_backend_that_computes_on_after_its_server_was_killed_does_not_hold_up_a_start(
    server: EmbeddedServer,
) -> None:
    await server.start()
    busy = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
    backend = busy.get_server_pid()
    computing = asyncio.create_task(busy.execute("do $$ begin for i in 1..2000000000 loop end loop; end $$"))
    await until(lambda: read_state(backend) == "R")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait_exit()
    assert is_alive(backend)
    await server.start()
    assert not is_alive(backend)
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await computing
    assert await ask(server, "select 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs a signal at the parent's death")
async def test_a_killed_app_takes_its_server_along_in_order(data_dir: Path, server: EmbeddedServer) -> None:
    app = await start_app(data_dir)
    await read_line(app)
    pid = int(await read_line(app))
    app.kill()
    await app.wait()
    await until(lambda: not is_alive(pid))
    assert read_pid_file(data_dir / "cluster") is None
    await server.start()


async def test_an_app_killed_again_and_again_can_always_be_started_anew(data_dir: Path, server: EmbeddedServer) -> None:
    for _ in range(3):
        app = await start_app(data_dir)
        await read_line(app)
        await read_line(app)
        app.kill()
        await app.wait()
    await server.start()
    assert await ask(server, "select 1") == 1


@pytest.mark.parametrize("moment", ["base", "PG_VERSION", "global/pg_control"])
async def test_an_app_killed_while_it_makes_its_cluster_leaves_no_half_one(
    data_dir: Path, server: EmbeddedServer, moment: str
) -> None:
    app = await start_app(data_dir)
    await until(lambda: bool(list(data_dir.glob(f".cluster-*/{moment}"))))
    app.kill()
    await app.wait()
    await server.start()
    assert await ask(server, "select 1") == 1
    assert list(data_dir.glob(".cluster-*")) == []  # noqa: ASYNC240


async def test_an_orphaned_server_is_stopped_and_replaced(
    stopped: EmbeddedServer, data_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    orphan = await start_loose_server(data_dir / "cluster")
    with caplog.at_level("WARNING"):
        await stopped.start()
    assert await orphan.wait() == 0
    assert stopped.pid not in {None, orphan.pid}
    assert await ask(stopped, "select answer from kept") == 42
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_an_orphan_that_does_not_listen_is_killed(
    stopped: EmbeddedServer, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    escalation = ((signal.SIGINT, 0.1), (signal.SIGQUIT, 0.1), (signal.SIGKILL, 5.0))
    monkeypatch.setattr("runtime.embedded.orphan.ESCALATION", escalation)
    orphan = await start_loose_server(data_dir / "cluster")
    os.kill(orphan.pid, signal.SIGSTOP)
    await stopped.start()
    assert await orphan.wait() == -signal.SIGKILL
    assert await ask(stopped, "select answer from kept") == 42


async def test_a_recycled_pid_is_not_mistaken_for_an_orphan(
    stopped: EmbeddedServer, data_dir: Path, bystander: Process
) -> None:
    claim = f"{bystander.pid}\n{data_dir / 'cluster'}\n1760000000\n5432\n/nowhere\n\n  5432001   1\nready   \n"
    write_pid_file(data_dir, claim)
    await stopped.start()
    assert bystander.returncode is None
    assert await ask(stopped, "select answer from kept") == 42
    await stopped.stop()
    assert bystander.returncode is None


async def test_a_server_on_another_cluster_is_not_mistaken_for_an_orphan(
    stopped: EmbeddedServer, data_dir: Path, tmp_path: Path
) -> None:
    other = EmbeddedServer(tmp_path / "other")
    await other.start()
    write_pid_file(data_dir, f"{other.pid}\n{data_dir / 'cluster'}\n1760000000\n5432\n\n\n  5432001   1\nready   \n")
    await stopped.start()
    assert await ask(stopped, "select answer from kept") == 42
    assert await ask(other, "select 1") == 1
    await other.stop()


@pytest.mark.parametrize("content", ["", "\n", "ready\n", "99999999999\n", "0\n"])
async def test_a_garbled_pid_file_does_not_hold_up_a_start(
    stopped: EmbeddedServer, data_dir: Path, content: str
) -> None:
    write_pid_file(data_dir, content)
    await stopped.start()
    assert await ask(stopped, "select answer from kept") == 42


async def test_a_single_user_session_is_not_disturbed(stopped: EmbeddedServer, data_dir: Path, tmp_path: Path) -> None:
    cluster = data_dir / "cluster"
    session = await start_loose_server(cluster)
    write_pid_file(data_dir, f"-{session.pid}\n")
    with pytest.raises(DataDirectoryInUseError, match=f"in use by process {session.pid};"):
        await stopped.start()
    assert session.returncode is None
    session.send_signal(signal.SIGINT)
    await session.wait()


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that the server's account can reach by its path, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="postroom-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


async def test_without_proc_a_server_is_told_by_the_directory_that_it_was_given(public: Path) -> None:
    server = EmbeddedServer(public)
    await server.start()
    await server.stop()
    loose = await start_loose_server(public / "cluster", by_path=True)
    assert await works_on_by_ps(loose.pid, public / "cluster")
    assert not await works_on_by_ps(loose.pid, public / "clus")
    assert not await works_on_by_ps(loose.pid, public / "cluster" / "base")
    assert not await works_on_by_ps(os.getpid(), public / "cluster")
    loose.send_signal(signal.SIGINT)
    await loose.wait()
    assert not await works_on_by_ps(loose.pid, public / "cluster")


def write_pid_file(data_dir: Path, content: str) -> None:
    path = data_dir / "cluster" / PID_FILE
    path.write_text(content, encoding="ascii")
    account = server_account(data_dir / "cluster")
    os.chown(path, account.uid, account.gid)
