"""Behind a real pooler in transaction mode: a whole app, two processes of it, and a member that dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest

from actors import Actor
from runtime import App, Enqueue, Settings
from tests.postgres import Server

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
pytestmark = pytest.mark.skipif(not Path(PROGRAM).exists(), reason="pgbouncer is not installed")
KEYS = [f"k{n}" for n in range(20)]
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 20
"""


class Step(msgspec.Struct):
    n: int


class Walker(Actor):
    async def step(self, step: Step) -> None:
        await self.db.execute("INSERT INTO step VALUES ($1, $2)", self.ctx.key, step.n)


def walker_app() -> App:
    app = App("test")
    app.tables("CREATE TABLE IF NOT EXISTS step (key text, n int, place bigint GENERATED ALWAYS AS IDENTITY)")
    app.service("steps", Walker, keyed=True, slots=8, chunk_size=5)
    return app


def command_of(folder: Path, user: str, listen: int, port: int) -> list[str]:
    """How the pooler is started. It refuses to be root."""
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(CONFIGURATION.format(listen=listen, port=port, user=user))
    folder.chmod(0o755)
    return [PROGRAM, *(["-u", "nobody"] if os.geteuid() == 0 else []), str(configuration)]


class Bridge:
    """Lets the pooler reach the server, whose socket lies where other accounts cannot go."""

    def __init__(self, database: Server) -> None:
        self._socket = f"{database['host']}/.s.PGSQL.{database['port']}"
        self._tasks: set[asyncio.Task[None]] = set()

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server, from_server = await asyncio.open_unix_connection(self._socket)
        for source, target in ((reader, from_server), (to_server, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                while piece := await source.read(65_536):
                    target.write(piece)
                    await target.drain()
            finally:
                target.close()
                await target.wait_closed()

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def pooled(database: Server) -> AsyncIterator[str]:
    """The URL of a pooler in front of the test's database."""
    bridge, listen, quiet = Bridge(database), free_port(), asyncio.subprocess.DEVNULL
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        async with await asyncio.start_server(bridge.attend, "127.0.0.1", 0) as server:
            command = command_of(Path(folder), database["user"], listen, server.sockets[0].getsockname()[1])
            program = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
            try:
                url = f"postgresql://{database['user']}@127.0.0.1:{listen}/{database['database']}"
                async with asyncio.timeout(20):
                    while not await answers(url):
                        assert program.returncode is None, "the pooler does not start"
                yield url
            finally:
                if program.returncode is None:
                    program.kill()
                    await program.wait()
                await bridge.close()


async def answers(url: str) -> bool:
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        connection = await asyncpg.connect(url, statement_cache_size=0)
        await connection.close()
        return True
    await asyncio.sleep(0.02)
    return False


async def walk(app: App, first: int, count: int) -> None:
    for n in range(first, first + count):
        await app.enqueue_many("steps", [Enqueue(message=Step(n), tenant="acme", key=key) for key in KEYS])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 # it is other processes' doing, which can only be looked at
            await asyncio.sleep(0.02)


async def test_an_app_works_behind_a_transaction_pooler_and_its_processes_share_the_shards(
    pooled: str, database: Server
) -> None:
    settings = Settings(database=pooled, pooled_connections=True)
    one, two = walker_app(), walker_app()
    async with one.running(settings) as first:
        await walk(one, 0, 10)
        async with two.running(settings) as second:
            await until(lambda: len(first.backlog.shards) == len(second.backlog.shards) == 32)
            await walk(two, 10, 10)
            await first.wait_idle("steps")
        await until(lambda: first.backlog.whole)
        await walk(one, 20, 5)
        await first.wait_idle("steps")
    connection = await asyncpg.connect(**database)
    rows = await connection.fetch("SELECT key, array_agg(n ORDER BY place) AS steps FROM step GROUP BY key")
    await connection.close()
    assert {row["key"]: row["steps"] for row in rows} == {key: list(range(25)) for key in KEYS}


async def test_a_session_that_ends_behind_the_pooler_is_made_again(pooled: str, database: Server) -> None:
    app = walker_app()
    async with app.running(Settings(database=pooled, pooled_connections=True)) as running:
        connection = await asyncpg.connect(**database)
        ended = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()
        assert ended > 0
        await walk(app, 0, 5)
        await running.wait_idle("steps")
        await until(lambda: running.readiness().ready)
