"""The server's own words, kept in a file of limited size beside its data, never on the app's terminal."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

LOG_FILE = "postgres.log"
MAX_BYTES = 4 * 1024 * 1024
"""A file that has grown past this becomes `<name>.1`, in place of the one before."""
TAIL_BYTES = 16 * 1024

logger = logging.getLogger(__name__)


class ServerLog(asyncio.Protocol):
    """Takes the server's output from a pipe, so that its size can be limited while the server runs.

    After a kill -9 of the app nobody reads; PostgreSQL then drops its messages and works on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = asyncio.get_running_loop().create_future()
        self._tail = b""
        self._writable = True

    @property
    def tail(self) -> str:
        """The last 16 KiB."""
        return self._tail.decode(errors="replace")

    def data_received(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-TAIL_BYTES:]
        if self._writable:
            try:
                append_limited(self.path, data)
            except OSError as error:
                self._writable = False
                logger.warning("the log %s cannot be written (%s); PostgreSQL goes on without it", self.path, error)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the protocol gives it
        if not self.closed.done():
            self.closed.set_result(None)


def append_limited(path: Path, data: bytes) -> None:
    """Add `data` to the file, then set the file aside if it has become too large. Raises `OSError`."""
    # no link is followed: root may write here, in a directory of somebody else's
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, data)
        grown = os.fstat(fd).st_size > MAX_BYTES
    finally:
        os.close(fd)
    if grown:
        path.replace(path.with_name(f"{path.name}.1"))
