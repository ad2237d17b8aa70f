"""The PostgreSQL cluster: its place in the app's data directory, its version, its first making."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from runtime.embedded.account import Account
from runtime.embedded.binaries import Binaries
from runtime.embedded.disk import disk_full_line, is_disk_full
from runtime.embedded.errors import AccountError, DiskFullError, NotAClusterError, NotWritableError, ServerStartError
from runtime.embedded.log import LOG_FILE, append_limited
from runtime.embedded.process import run

CLUSTER_FOLDER = "cluster"
WORKSPACE_PREFIX = ".cluster-"
LEFTOVER_ATTEMPTS = 30
LEFTOVER_PAUSE_SECONDS = 0.1
SUPERUSER = "postroom"
DATABASE = "postgres"
INITDB_OPTIONS = (
    f"--username={SUPERUSER}",
    # who reaches the socket is decided by its directory, of mode 0700: the server's account and root, nobody else
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--data-checksums",
    "--no-instructions",
)


class Doorway(msgspec.Struct, frozen=True, kw_only=True):
    """A directory as the server's account can name it, and the descriptors that the name needs."""

    path: str
    pass_fds: tuple[int, ...] = ()


@contextlib.contextmanager
def doorway(directory: Path, account: Account) -> Iterator[Doorway]:
    """How `account` gets into `directory`, which it owns, even where the way to it is closed to it.

    Root's home and the like have mode 0700. On Linux root opens the directory and hands the descriptor down: the path
    `/proc/self/fd/N` leads straight into it, so that the data lies beside the app wherever that is and nobody's modes
    are changed. It opens no other door than to what lies below and beside it with permissions for everybody.
    """
    if not (account.borrowed and sys.platform == "linux"):
        yield Doorway(path=str(directory))
        return
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield Doorway(path=f"/proc/self/fd/{fd}", pass_fds=(fd,))
    finally:
        os.close(fd)


def make_data_dir(path: Path) -> None:
    """Make the app's directory if it is not there. Raises `NotWritableError` or `DiskFullError`."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(path, str(error.strerror)) from error
        raise NotWritableError(path, str(error.strerror)) from error


def read_major(cluster: Path) -> int | None:
    """The major version of the cluster; None if there is none yet. Raises `NotAClusterError` for anything else."""
    if not os.path.lexists(cluster):
        return None
    try:
        if cluster.is_symlink():
            raise NotAClusterError(cluster)
        return int((cluster / "PG_VERSION").read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise NotAClusterError(cluster) from error


async def create_cluster(cluster: Path, binaries: Binaries, account: Account) -> None:
    """Make the cluster, which appears complete or not at all. The caller holds the lock of its directory."""
    await _remove_leftovers(cluster.parent)
    try:
        workspace = Path(tempfile.mkdtemp(prefix=WORKSPACE_PREFIX, dir=cluster.parent))
        try:
            _give(workspace, account)
            await _initdb(workspace, binaries, account, cluster.parent)
            _put_in_place(workspace, cluster)
        except BaseException:
            shutil.rmtree(workspace, ignore_errors=True)
            raise
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(cluster.parent, str(error.strerror)) from error
        raise NotWritableError(cluster.parent, str(error.strerror)) from error


async def _remove_leftovers(data_dir: Path) -> None:
    """Remove what a killed app has left half made. Its initdb dies with it, but may write for a moment more."""
    for _ in range(LEFTOVER_ATTEMPTS):
        if _is_clear(data_dir):
            return
        await asyncio.sleep(LEFTOVER_PAUSE_SECONDS)


def _is_clear(data_dir: Path) -> bool:
    leftovers = list(data_dir.glob(f"{WORKSPACE_PREFIX}*"))
    for leftover in leftovers:
        shutil.rmtree(leftover, ignore_errors=True)
    return not any(map(os.path.lexists, leftovers))


async def _initdb(workspace: Path, binaries: Binaries, account: Account, data_dir: Path) -> None:
    with doorway(workspace, account) as door:
        command: list[str | Path] = [binaries.initdb, *INITDB_OPTIONS, "-D", door.path]
        result = await run(account, command, pass_fds=door.pass_fds)
    if result.status == 0:
        return
    full = disk_full_line(result.output)
    if full is not None:
        raise DiskFullError(data_dir, full)
    log = data_dir / LOG_FILE
    append_limited(log, result.output.encode())
    raise ServerStartError(f"initdb ended with status {result.status}", log)


def _give(directory: Path, account: Account) -> None:
    if not account.borrowed:
        return
    try:
        os.chown(directory, account.uid, account.gid, follow_symlinks=False)
    except PermissionError as error:
        raise AccountError(f"files cannot be given to user {account.name} ({error.strerror})") from error


def _put_in_place(workspace: Path, cluster: Path) -> None:
    workspace.rename(cluster)
    fd = os.open(cluster.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
