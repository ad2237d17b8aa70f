"""Binaries that the server's account can reach.

An environment below a home of mode 0700, such as root's, is closed to the account that root lends to the server. The
doors stay as they are: the wheel's programs (about 16 MB) are copied once, to a place that only root can write.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path

from runtime.embedded.account import Account
from runtime.embedded.binaries import PINNED_MAJOR, Binaries, packaged_binaries, running_major, system_binaries
from runtime.embedded.disk import is_disk_full
from runtime.embedded.errors import BinariesMissingError, DiskFullError, MajorVersionError

CACHE = Path("/var/cache/postroom")
NEEDED = ("bin/postgres", "bin/initdb", "lib/postgresql", "share")
"""The parts of an installation that a server needs; headers, static libraries and client programs stay behind."""

logger = logging.getLogger(__name__)


async def find_binaries(cluster: Path, major: int | None, account: Account) -> Binaries:
    """Programs that `account` can run: of `major` for an existing cluster, the pinned one (else the newest) for None.

    Raises `MajorVersionError` or `BinariesMissingError` if there are none.
    """
    wanted = PINNED_MAJOR if major is None else major
    for binaries in packaged_binaries():
        if binaries.major == wanted and (usable := await _usable(binaries, account)) is not None:
            return usable
    for binaries in await system_binaries(account):
        if major is None or binaries.major == major:
            return binaries
    if major is not None:
        raise MajorVersionError(cluster, major)
    raise BinariesMissingError(f"no PostgreSQL that {account.name} can run was found")


async def _usable(binaries: Binaries, account: Account) -> Binaries | None:
    """`binaries`, or a copy of them that `account` can run; None if it can run neither."""
    if await running_major(binaries.bindir, account) == binaries.major:
        return binaries
    if not account.borrowed or binaries.package is None:
        return None
    for parent in (CACHE, Path(tempfile.gettempdir()) / f"postroom-{os.geteuid()}"):
        copy = _staged(binaries, binaries.package, parent)
        if copy is not None and await running_major(copy.bindir, account) == copy.major:
            return copy
    return None


def _staged(binaries: Binaries, package: Path, parent: Path) -> Binaries | None:
    """The copy below `parent`, made now if it is not there; None if `parent` cannot be used or is not ours alone."""
    try:
        parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not _only_ours(parent):
            return None
        target = parent / f"{importlib.metadata.version(package.name)}-{binaries.major}"
        if not target.exists():
            _copy(binaries, package, target)
            logger.info("copied PostgreSQL to %s, because its own account cannot reach %s", target, package)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(parent, str(error.strerror)) from error
        return None
    return Binaries(
        major=binaries.major,
        bindir=target / package.name / binaries.bindir.relative_to(package),
        package=target / package.name,
    )


def _only_ours(directory: Path) -> bool:
    status = directory.lstat()
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not writable_by_others


def _copy(binaries: Binaries, package: Path, target: Path) -> None:
    """Copy what is needed to `target`, which appears complete or not at all, after a power cut too."""
    workspace = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        installation = binaries.bindir.parent
        for part in NEEDED:
            _copy_part(installation / part, workspace / installation.relative_to(package.parent) / part)
        # the programs look for these libraries at a path relative to their own: first Linux wheels, then macOS ones
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.is_dir():
                _copy_part(libraries, workspace / libraries.relative_to(package.parent))
        _open_to_readers(workspace)
        os.sync()
        workspace.rename(target)
    except OSError:
        if not target.exists():  # else another process was faster, and its copy is as good
            raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _copy_part(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def _open_to_readers(root: Path) -> None:
    """Let everybody read the copy whatever the umask and the modes of the source were."""
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
