"""One embedded server for all processes on a data directory: the first one runs it, the others are its guests.

When the process that runs it ends, whoever of the others gets the directory's lock first runs it from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import msgspec

from runtime.embedded.errors import DataDirectoryInUseError, ServerNotRunningError
from runtime.embedded.server import Dsn, EmbeddedServer

DOOR_FILE = "server.json"
HOST_SECONDS = 30.0
"""How long another process may take to start the server."""
POLL_SECONDS = 0.2


class Door(msgspec.Struct, frozen=True):
    """Where the server is that the process `pid` runs."""

    pid: int
    dsn: Dsn


class SharedServer:
    """The server on a data directory, whoever runs it. `start`, `stop`, `dsn` and `wait_exit` as `EmbeddedServer`."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir.absolute() / DOOR_FILE
        self._own = EmbeddedServer(data_dir)

    @property
    def pid(self) -> int | None:
        """The server's process, if this process runs it."""
        return self._own.pid

    @property
    def is_guest(self) -> bool:
        """Whether another process runs the server."""
        return self._own.pid is None

    def dsn(self) -> Dsn:
        """How to connect. Raises ServerNotRunningError."""
        if self._own.pid is not None:
            return self._own.dsn()
        door = self._read()
        if door is None:
            raise ServerNotRunningError("the process that ran PostgreSQL on this data directory has ended")
        return door.dsn

    async def start(self) -> None:
        """Run the server, or find the one that another process runs.

        Raises:
            EmbeddedServerError: there is none, and none can be run here.
        """
        deadline = asyncio.get_running_loop().time() + HOST_SECONDS
        while True:
            try:
                await self._own.start()
            except DataDirectoryInUseError as error:
                door = self._read()
                if door is not None and door.pid == error.pid:
                    return
                # a host that is starting has shown no door yet; others, who use the cluster inside, never will
                if error.path != self._path.parent or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(POLL_SECONDS)
            else:
                self._path.write_bytes(msgspec.json.encode(Door(os.getpid(), self._own.dsn())))
                return

    async def stop(self) -> None:
        """Shut the server down if this process runs it. Safe twice, and before a start."""
        if self._own.pid is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
        await self._own.stop()

    async def wait_exit(self) -> str:
        """Wait until the server process ends; a guest becomes the one who runs it when nobody does any more."""
        while self.is_guest:
            await asyncio.sleep(POLL_SECONDS)
            await self.start()
        return await self._own.wait_exit()

    def _read(self) -> Door | None:
        return read_door(self._path.parent)


def read_door(data_dir: Path) -> Door | None:
    """Where the server on a data directory is, as far as the one who runs it has said so."""
    try:
        return msgspec.json.decode((data_dir / DOOR_FILE).read_bytes(), type=Door)
    except (OSError, msgspec.DecodeError):
        return None
