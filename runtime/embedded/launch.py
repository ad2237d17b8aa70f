"""A program of its own, run by path in a fresh interpreter: becomes another account, then the program named.

    python -I -S launch.py UID GID PARENT_PID DEATH_SIGNAL PROGRAM [ARGUMENT...]

It takes the place of `preexec_fn`, which is unsafe in a process with threads, and of `user=`, which uvloop does not
know. On Linux the program gets DEATH_SIGNAL when the thread that started it ends: no server outlives a killed app.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
CANNOT_BECOME = 77
"""The exit status if the other account cannot be entered, as EX_NOPERM in sysexits.h."""


def become(uid: int, gid: int) -> None:
    """Give up every right that `uid` and `gid` do not have."""
    if os.geteuid() == uid:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def find_prctl() -> Callable[[int, int], object] | None:
    """Linux's `prctl`. To be found before `become`: this interpreter may lie where the other account cannot read."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes  # noqa: PLC0415  # some builds of Python lack it, and it is needed here alone
    except ImportError:
        return None
    return ctypes.CDLL(None).prctl


def die_with_parent(prctl: Callable[[int, int], object], parent_pid: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` at the parent's end. After `become`, because a change of uid resets it."""
    prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent_pid:
        raise SystemExit("FATAL: the process that asked for this server has ended")


def main(arguments: list[str]) -> None:
    uid, gid, parent_pid, death_signal = (int(argument) for argument in arguments[:4])
    prctl = find_prctl()
    try:
        become(uid, gid)
    except OSError as error:
        sys.stderr.write(f"FATAL: cannot become uid {uid}: {error.strerror}\n")
        raise SystemExit(CANNOT_BECOME) from error
    try:
        if prctl is not None:
            die_with_parent(prctl, parent_pid, death_signal)
        os.umask(0o077)
        os.execv(arguments[4], arguments[4:])  # noqa: S606  # no shell is wanted
    except OSError as error:
        raise SystemExit(f"FATAL: cannot run {arguments[4]} as uid {uid}: {error.strerror}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
