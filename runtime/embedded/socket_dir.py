"""Where the server's socket lies: in the cluster or, if that path is too long, in a short private directory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from runtime.embedded.account import Account
from runtime.embedded.configuration import PORT

SOCKET_NAME = f".s.PGSQL.{PORT}"
MAX_PATH_BYTES = 107 if sys.platform == "linux" else 103
"""What the system's `sockaddr_un` takes, less its final NUL."""
_LIST_SYNTAX = frozenset(",\"'@")
"""What would be read as something else than a path in the setting, or by a client."""


def fits_a_socket(directory: Path) -> bool:
    """Whether the server and its clients can name a socket in `directory`."""
    path = os.fsencode(directory / SOCKET_NAME)
    return len(path) <= MAX_PATH_BYTES and not _LIST_SYNTAX & set(str(directory)) and str(directory).isprintable()


def short_socket_dir(cluster: Path, account: Account) -> Path:
    """A directory of mode 0700 for `account` alone, the same for a cluster each time where nobody took its name."""
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    name = f"postroom-{digest}"
    parents = (Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108  # the directory made in it is verified
    temporary = next(parent for parent in parents if fits_a_socket(parent / name))
    directory = temporary / name
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        os.chown(directory, account.uid, account.gid)
    if _is_private(directory, account):
        return directory
    other = Path(tempfile.mkdtemp(prefix="postroom-", dir=temporary))
    os.chown(other, account.uid, account.gid)
    return other


def _is_private(directory: Path, account: Account) -> bool:
    status = directory.lstat()
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == account.uid
        and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    )
