"""One run of the server program, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

from runtime.embedded.account import Account
from runtime.embedded.cluster import Doorway
from runtime.embedded.log import ServerLog
from runtime.embedded.orphan import ESCALATION
from runtime.embedded.pid_file import READY, read_pid_file
from runtime.embedded.process import spawn

POLL_SECONDS = 0.003
LAST_WORDS_SECONDS = 1.0
"""How long to read on for the reason of an end; children of a killed server may keep its pipe open."""
_REASON = re.compile(r"(?:FATAL|PANIC):\s+(.*)")


class Postmaster:
    """The process, its log and the reason of its end."""

    def __init__(self, process: Process, log: ServerLog, pipe: asyncio.ReadTransport) -> None:
        self._process = process
        self._log = log
        self._pipe = pipe
        self.stopping = False

    @classmethod
    async def start(
        cls, account: Account, command: Sequence[str | Path], door: Doorway, log: Path, stranger: int | None
    ) -> Postmaster:
        """Run `command`. `stranger` is a live pid in a stale `postmaster.pid`, known to be no server."""
        loop = asyncio.get_running_loop()
        read_end, write_end = os.pipe()
        try:
            # a pipe of our own: that of asyncio's Process would, in some versions, make its wait() last until lingering
            # children have closed it
            pipe, server_log = await loop.connect_read_pipe(lambda: ServerLog(log), os.fdopen(read_end, "rb", 0))
            # PostgreSQL lets pass a pid file that names its parent or, by this variable, grandparent; its check
            # for shared memory still in use stays in force, which it would not if the file were removed
            environment = {} if stranger is None else {"PG_GRANDPARENT_PID": str(stranger)}
            try:
                process = await spawn(
                    account, command, output=write_end, pass_fds=door.pass_fds, environment=environment
                )
            except BaseException:
                pipe.close()
                raise
        finally:
            os.close(write_end)
        return cls(process, server_log, pipe)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def tail(self) -> str:
        """The end of what it wrote."""
        return self._log.tail

    async def wait_ready(self, cluster: Path) -> bool:
        """Wait until this very process takes connections; False if it ended first."""
        while self.running:
            claim = read_pid_file(cluster)
            if claim is not None and claim.pid == self.pid and claim.status == READY:
                return True
            await asyncio.sleep(POLL_SECONDS)
        await self._read_last_words()
        return False

    async def wait(self) -> str:
        """Wait for its end; the reason, such as `killed by signal 9`."""
        status = await self._process.wait()
        return "stopped" if self.stopping else self.describe(status)

    async def stop(self) -> None:
        """Shut it down fast, at once if that takes too long. Safe when it has ended."""
        self.stopping = self.stopping or self.running
        for number, patience_seconds in ESCALATION:
            if self.running:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(number)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), patience_seconds)
        await self._read_last_words()
        self.close()

    def close(self) -> None:
        """Let go of its log after its end."""
        self._pipe.close()

    async def _read_last_words(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._log.closed), LAST_WORDS_SECONDS)

    @property
    def last_words(self) -> str:
        """Why it ended, by its own account where it gave one."""
        reasons = _REASON.findall(self.tail)
        lines = [line for line in self.tail.splitlines() if line.strip()]
        return str(reasons[-1]) if reasons else lines[-1] if lines else self.describe(self._process.returncode)

    @staticmethod
    def describe(status: int | None) -> str:
        if status is not None and status < 0:
            return f"killed by signal {-status}"
        return f"exited with status {status}"
