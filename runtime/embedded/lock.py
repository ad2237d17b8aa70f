"""One runtime per data directory, held by the kernel for as long as the process lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from runtime.embedded.account import user_name
from runtime.embedded.disk import is_disk_full
from runtime.embedded.errors import DataDirectoryInUseError, DiskFullError, NotOwnedError, NotWritableError

LOCK_FILE = "lock"


class DirectoryLock:
    """An exclusive `flock` on a file in `directory` that names its holder; a kill -9 frees it.

    The descriptor is not inherited by programs that are started, so an orphaned server does not hold it. A `fork`
    without exec would.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, which may be held already by this object.

        Raises `DataDirectoryInUseError` if another one holds it, `NotOwnedError`, `NotWritableError` or
        `DiskFullError` if it cannot be written.
        """
        if self._fd is not None:
            return
        try:
            self._fd = self._open_locked()
        except PermissionError as error:
            for owner in self._owners():
                if owner != os.geteuid():
                    raise NotOwnedError(self._directory, user_name(owner)) from error
            raise NotWritableError(self._directory, str(error.strerror)) from error
        except OSError as error:
            if is_disk_full(error):
                raise DiskFullError(self._directory, str(error.strerror)) from error
            raise NotWritableError(self._directory, str(error.strerror)) from error

    def release(self) -> None:
        """Free the lock; safe without holding it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _owners(self) -> Iterator[int]:
        for path in (self._directory / LOCK_FILE, self._directory):
            with contextlib.suppress(OSError):
                yield path.stat().st_uid

    def _open_locked(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._directory / LOCK_FILE, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = _holder(fd)
            os.close(fd)
            raise DataDirectoryInUseError(self._directory, holder) from error
        except BaseException:
            os.close(fd)
            raise
        return fd


def _holder(fd: int) -> int | None:
    with contextlib.suppress(ValueError):
        return int(os.pread(fd, 32, 0))
    return None
