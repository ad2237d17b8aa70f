"""The child's side of `postroom run --processes`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

PARENT = "POSTROOM_PARENT"
"""The environment variable that names the descriptor whose end tells a process that its parent has ended."""


def has_parent() -> bool:
    """Whether this process is one of those that `--processes` started."""
    return os.environ.get(PARENT, "").isdecimal()


@contextlib.contextmanager
def parent_watched() -> Iterator[None]:
    """In a process that `supervise` started: have SIGTERM sent to itself when its parent has ended."""
    if not has_parent():
        yield
        return
    descriptor = int(os.environ[PARENT])
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(descriptor)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(descriptor, ended)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
