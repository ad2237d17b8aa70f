"""A server that outlived the app which started it.

It is stopped, never adopted: its settings may be another version's, and its end would not be ours to see. A pid from a
file is believed only if the process that has it now is a PostgreSQL working in this very directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from pathlib import Path

from runtime.embedded.errors import DataDirectoryInUseError
from runtime.embedded.pid_file import PID_FILE, read_pid_file

ESCALATION = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""How a server is asked to stop, and for how many seconds: fast, immediate, killed. Each is safe for the data."""
POLL_SECONDS = 0.01
PROC = Path("/proc")
SERVER_PROGRAM = "postgres"

logger = logging.getLogger(__name__)


async def stop_orphan(cluster: Path) -> int | None:
    """Stop the server that still works on `cluster`, if there is one. The caller holds the directory's lock.

    Returns the pid in a stale file that now belongs to some other process, which the next server must be told about.
    Raises `DataDirectoryInUseError` for a single-user session, which somebody works in, or if it cannot be stopped.
    """
    claim = read_pid_file(cluster)
    if claim is None:
        # an empty or garbled file comes from a full disk or a power cut, and PostgreSQL would wait for a person
        (cluster / PID_FILE).unlink(missing_ok=True)
        return None
    if not _exists(claim.pid):
        return None
    if not await works_on(claim.pid, cluster):
        return claim.pid
    if claim.standalone:
        raise DataDirectoryInUseError(cluster, claim.pid)
    logger.warning(
        "stopping PostgreSQL %d, left over on %s by an app that ended without stopping it", claim.pid, cluster
    )
    for number, patience_seconds in ESCALATION:
        with contextlib.suppress(ProcessLookupError):
            os.kill(claim.pid, number)
        if await _wait_gone(claim.pid, cluster, patience_seconds):
            return None
    raise DataDirectoryInUseError(cluster, claim.pid)


def kill_stragglers(cluster: Path) -> None:
    """Kill what is left of a server whose postmaster is dead, so that its shared memory comes free.

    A backend in the middle of a long computation does not notice the death, and there is nobody left to end it. Only
    where `/proc` tells them; elsewhere they are waited for.
    """
    for pid in _processes_on(cluster):
        logger.warning("killing process %d of a dead PostgreSQL on %s", pid, cluster)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def works_on(pid: int, cluster: Path) -> bool:
    """Whether process `pid` is a PostgreSQL on `cluster`. A zombie and another account's process are not."""
    if (PROC / "self").exists():
        return _works_on_by_proc(pid, cluster)
    return await works_on_by_ps(pid, cluster)


async def works_on_by_ps(pid: int, cluster: Path) -> bool:
    """The same where there is no `/proc`, from the command line, which names the directory as we wrote it."""
    process = await asyncio.create_subprocess_exec(
        *("ps", "-ww", "-o", "command=", "-p", str(pid)), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    output, _ = await process.communicate()
    program, _, arguments = output.decode(errors="replace").strip().partition(" -D ")
    return Path(program).name == SERVER_PROGRAM and f"{arguments} ".startswith(f"{cluster} ")


def _works_on_by_proc(pid: int, cluster: Path) -> bool:
    # a server's working directory is its data directory, by whatever path it was given
    try:
        program = (PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
        return program == SERVER_PROGRAM and (PROC / str(pid) / "cwd").samefile(cluster)
    except OSError:
        return False


def _processes_on(cluster: Path) -> Iterator[int]:
    for entry in PROC.glob("[0-9]*"):
        if _works_on_by_proc(int(entry.name), cluster):
            yield int(entry.name)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _wait_gone(pid: int, cluster: Path, patience_seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_seconds
    while _exists(pid) and await works_on(pid, cluster):
        if loop.time() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
