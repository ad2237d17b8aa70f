"""What a server writes about itself in `postmaster.pid`. A killed one leaves it behind: it is a claim, not a fact."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

PID_FILE = "postmaster.pid"
READY = "ready"
MAX_PID = 2**31 - 1
_STATUS_LINE = 7


class PidFile(msgspec.Struct, frozen=True, kw_only=True):
    """`standalone` is true for a single-user session instead of a server. `status` is empty while it starts."""

    pid: int
    standalone: bool = False
    status: str = ""


def parse_pid_file(text: str) -> PidFile | None:
    """The claim in `text`; None if it names no process, as after a disk was full."""
    lines = text.splitlines()
    with contextlib.suppress(ValueError, IndexError):
        pid = int(lines[0])
        status = lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""
        if 0 < abs(pid) <= MAX_PID:
            return PidFile(pid=abs(pid), standalone=pid < 0, status=status)
    return None


def read_pid_file(cluster: Path) -> PidFile | None:
    """The claim in the cluster's file; None if there is no file, or none that names a process."""
    try:
        return parse_pid_file((cluster / PID_FILE).read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return None
