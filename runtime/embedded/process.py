"""Programs run for the server, under its account, in a session and an environment of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from runtime.embedded.account import Account
from runtime.embedded.errors import AccountError
from runtime.embedded.launch import CANNOT_BECOME

LAUNCHER = Path(__file__).with_name("launch.py")
CANNOT_RUN = 126
"""The status of a program that could not be started, as shells give it."""
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended: `status` as in `Process.returncode`, `output` what it wrote to either stream."""

    status: int
    output: str


async def spawn(
    account: Account,
    command: Sequence[str | Path],
    *,
    output: int,
    pass_fds: Sequence[int] = (),
    death_signal: signal.Signals = signal.SIGINT,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start `command` as `account`; both its streams go to `output`. The process keeps its pid through to `command`."""
    return await asyncio.create_subprocess_exec(
        *_launcher(account, death_signal),
        *(str(argument) for argument in command),
        stdin=DEVNULL,
        stdout=output,
        stderr=STDOUT,
        cwd="/",  # the app's own directory may be closed to the account
        env=_environment() | dict(environment or {}),
        start_new_session=True,  # a Ctrl-C at the terminal is for the app, which stops the server in order
        pass_fds=tuple(pass_fds),
    )


async def run(account: Account, command: Sequence[str | Path], *, pass_fds: Sequence[int] = ()) -> Finished:
    """Run `command` to its end. Cancelled, it kills the program first.

    Raises `AccountError` if root has no right to become `account`.
    """
    try:
        process = await spawn(account, command, output=PIPE, pass_fds=pass_fds, death_signal=signal.SIGTERM)
    except OSError as error:
        return Finished(status=CANNOT_RUN, output=str(error))
    try:
        output, _ = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    text = output.decode(errors="replace")
    if account.borrowed and process.returncode == CANNOT_BECOME:
        raise AccountError(text.strip().removeprefix("FATAL: "))
    return Finished(status=process.returncode, output=text)


def _launcher(account: Account, death_signal: signal.Signals) -> list[str]:
    """What goes before a command. An app that gave up root's rights may be unable to run its own interpreter again."""
    if not account.borrowed and not (sys.platform == "linux" and os.access(sys.executable, os.X_OK)):
        return []
    identity = (account.uid, account.gid, os.getpid(), death_signal.value)
    return [sys.executable, "-I", "-S", str(LAUNCHER), *(str(number) for number in identity)]


def _environment() -> dict[str, str]:
    # PG* variables would change the server's settings, and the app's secrets are none of its business. The texts that
    # tell a full disk from other failures are English in the C locale; a known TZ spares initdb a search.
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
