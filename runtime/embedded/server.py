"""The embedded PostgreSQL server as one part with a start and a stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from runtime.embedded.account import Account, server_account
from runtime.embedded.binaries import Binaries
from runtime.embedded.cluster import (
    CLUSTER_FOLDER,
    DATABASE,
    SUPERUSER,
    create_cluster,
    doorway,
    make_data_dir,
    read_major,
)
from runtime.embedded.configuration import PORT, command_line, server_settings
from runtime.embedded.disk import disk_full_line
from runtime.embedded.errors import DiskFullError, ServerNotRunningError, ServerStartError
from runtime.embedded.lock import DirectoryLock
from runtime.embedded.log import LOG_FILE
from runtime.embedded.orphan import kill_stragglers, stop_orphan
from runtime.embedded.postmaster import Postmaster
from runtime.embedded.socket_dir import fits_a_socket, short_socket_dir
from runtime.embedded.staging import find_binaries

READY_SECONDS = 300.0
"""How long a start may take; the recovery after a crash replays up to 1 GB of log."""
LINGER_SECONDS = 10.0
"""How long to try again while children of a killed server hold its shared memory."""
STRAGGLER_SECONDS = 2.5
"""When to kill those children; most end by themselves within two seconds."""
RETRY_SECONDS = 0.05
_STILL_HELD = ("pre-existing shared memory block", "already exists")

logger = logging.getLogger(__name__)


class Dsn(msgspec.Struct, frozen=True, kw_only=True):
    """How to connect: `asyncpg.connect(**msgspec.structs.asdict(server.dsn()))`. `host` is the socket's directory."""

    host: str
    port: int
    user: str
    database: str


class EmbeddedServer:
    """A PostgreSQL server on a cluster in `data_dir`, reachable by a local socket only.

    The socket's directory is private to the account that runs the server, which is ours, or for root one lent to it
    (see `runtime.embedded.account`). `settings` overrides PostgreSQL's settings for this run. The data directory is
    locked from `start` to `stop`. On Linux the server also ends with the thread that runs `start`: stop it before that
    thread, or before the process forks into the background.

    Raises `SpecError` for settings that are malformed or not free to choose.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._data_dir = data_dir.absolute()
        self._settings = server_settings(settings or {})
        self._lock = DirectoryLock(self._data_dir)
        self._changing = asyncio.Lock()
        self._postmaster: Postmaster | None = None
        self._dsn: Dsn | None = None

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        postmaster = self._postmaster
        return postmaster.pid if postmaster is not None and postmaster.running else None

    def dsn(self) -> Dsn:
        """How to connect, from `start` to `stop`, over a crash and a new start too; else `ServerNotRunningError`."""
        if self._dsn is None:
            raise ServerNotRunningError("the embedded PostgreSQL is not running; start it first")
        return self._dsn

    async def start(self) -> None:
        """Start the server and wait until it takes connections; nothing if it runs.

        The first start makes the cluster. A server left over by a killed app is stopped first. Safe to call again after
        the server has died. Raises a subclass of `EmbeddedServerError`, and then holds nothing.
        """
        async with self._changing:
            if self.pid is not None and not self._stopping:
                return
            if self._stopping:
                await self._let_go()
            try:
                await self._start()
            except BaseException:
                await self._let_go()
                raise

    async def stop(self) -> None:
        """Shut the server down and free the data directory. Safe twice, and before a start."""
        async with self._changing:
            await self._let_go()

    @property
    def _stopping(self) -> bool:
        """Whether a `stop` was cancelled midway."""
        return self._postmaster is not None and self._postmaster.stopping

    async def wait_exit(self) -> str:
        """Wait until the server process ends; why it did, such as `killed by signal 9`, or `stopped` after `stop`."""
        if self._postmaster is None:
            raise ServerNotRunningError("the embedded PostgreSQL was not started, so there is no end to wait for")
        return await self._postmaster.wait()

    async def _start(self) -> None:
        make_data_dir(self._data_dir)
        self._lock.acquire()
        cluster = self._data_dir / CLUSTER_FOLDER
        account = server_account(cluster)
        major = read_major(cluster)
        binaries = await find_binaries(cluster, major, account)
        if major is None:
            await create_cluster(cluster, binaries, account)
        stranger = await stop_orphan(cluster)
        await self._launch(cluster, account, binaries, stranger)

    async def _launch(self, cluster: Path, account: Account, binaries: Binaries, stranger: int | None) -> None:
        started = asyncio.get_running_loop().time()
        while True:
            try:
                return await self._launch_once(cluster, account, binaries, stranger)
            except ServerStartError as error:
                waited = asyncio.get_running_loop().time() - started
                if waited > LINGER_SECONDS or not any(text in error.reason for text in _STILL_HELD):
                    raise
                if waited > STRAGGLER_SECONDS:
                    kill_stragglers(cluster)
                await asyncio.sleep(RETRY_SECONDS)

    async def _launch_once(self, cluster: Path, account: Account, binaries: Binaries, stranger: int | None) -> None:
        log = self._data_dir / LOG_FILE
        with doorway(cluster, account) as door:
            in_cluster = fits_a_socket(cluster)
            host = cluster if in_cluster else short_socket_dir(cluster, account)
            listen = {"unix_socket_directories": door.path if in_cluster else str(host)}
            command: list[str | Path] = [binaries.postgres, "-D", door.path, *command_line(self._settings | listen)]
            postmaster = await Postmaster.start(account, command, door, log, stranger)
        self._close_previous()
        self._postmaster = postmaster
        try:
            ready = await asyncio.wait_for(postmaster.wait_ready(cluster), READY_SECONDS)
        except TimeoutError as error:
            raise ServerStartError(f"it was not ready after {READY_SECONDS:.0f} s", log) from error
        if not ready:
            full = disk_full_line(postmaster.tail)
            if full is not None:
                raise DiskFullError(self._data_dir, postmaster.last_words)
            raise ServerStartError(postmaster.last_words, log)
        self._dsn = Dsn(host=str(host), port=PORT, user=SUPERUSER, database=DATABASE)

    def _close_previous(self) -> None:
        if self._postmaster is not None:
            self._postmaster.close()

    async def _let_go(self) -> None:
        if self._postmaster is not None:
            await self._postmaster.stop()  # cancelled here, everything stays held, for the next stop
        self._remove_socket_dir()
        self._postmaster = None
        self._dsn = None
        self._lock.release()

    def _remove_socket_dir(self) -> None:
        if self._dsn is not None and Path(self._dsn.host).parent != self._data_dir:
            with contextlib.suppress(OSError):
                Path(self._dsn.host).rmdir()
