"""Telling a lack of room from other failures."""

from __future__ import annotations

import errno
import os

_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# as C locale programs print them; the last is how one reports a child that the limit killed
_TEXTS = (*(os.strerror(number) for number in sorted(_ERRNOS)), "File size limit exceeded")
_HINT = "Check free disk space"
"""What PostgreSQL adds to a write that was cut short, which itself has no error of the system."""


def is_disk_full(error: OSError) -> bool:
    """Whether `error` says that a disk, a quota or a limit on the size of files is exhausted."""
    return error.errno in _ERRNOS


def disk_full_line(output: str) -> str | None:
    """The first line of a program's output, in the C locale, that says so; None if none does."""
    previous = ""
    for line in (line.strip() for line in output.splitlines()):
        if any(text in line for text in _TEXTS):
            return line
        if _HINT in line:
            return previous
        previous = line
    return None
