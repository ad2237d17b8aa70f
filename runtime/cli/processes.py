"""`postroom run --processes N`: starts processes, and starts anew those that die.

The parent runs the embedded server, so that no process takes it along. It runs no actors.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from runtime.cli.parent import PARENT
from runtime.embedded import EmbeddedServerError, SharedServer
from runtime.errors import RuntimeFaultError

STEADY_SECONDS = 30.0
MAX_ENDED = 3
"""So many lives in a row shorter than `STEADY_SECONDS`, the last of which ended with an error: all are stopped."""
MAX_KILLED = 12
"""The same for a process that was killed: an event that takes it down is found out before that."""
PAUSE_SECONDS = 0.1
"""Before the second life; it grows by as much each time."""
SERVER_PAUSE_SECONDS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM)
PROGRAM = "import sys; from runtime.cli import main; sys.exit(main())"

LOGGER = logging.getLogger("postroom.processes")


class ProcessesEndedError(RuntimeFaultError):
    """A process died again and again, so all were stopped."""

    def __init__(self, number: int, status: int) -> None:
        super().__init__(f"process {number} keeps ending, the last time with {_told(status)}; see what it says above")


def supervise(commands: Sequence[Sequence[str]], data_dir: Path | None) -> None:
    """Run a process for each of the commands (arguments of `postroom`) until a signal stops all of them.

    `data_dir` is where the embedded server keeps its data, or None for a server of the user's.

    Raises:
        EmbeddedServerError: the server does not start.
        ProcessesEndedError: a process died again and again.
    """
    asyncio.run(_supervise(commands, data_dir))


async def _supervise(commands: Sequence[Sequence[str]], data_dir: Path | None) -> None:
    server = None if data_dir is None else SharedServer(data_dir)
    if server is not None:
        await server.start()
    try:
        up = asyncio.Event()
        up.set()
        with Family(len(commands), up) as family:
            watching = [asyncio.create_task(family.keep(number, command)) for number, command in enumerate(commands)]
            if server is not None:
                watching.append(asyncio.create_task(keep_server(server, up)))
            try:
                await family.run(watching[: len(commands)])
            finally:
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)
    finally:
        if server is not None:
            await server.stop()


class Family:
    """The processes, and what they are told. None is started while the server is not `up`."""

    def __init__(self, count: int, up: asyncio.Event) -> None:
        self._up = up
        self._processes: list[asyncio.subprocess.Process | None] = [None] * count
        self._stopping = asyncio.Event()
        self._gone_reader, self._gone_writer = os.pipe()

    def __enter__(self) -> Self:
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._stop, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        os.close(self._gone_reader)
        os.close(self._gone_writer)

    async def run(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        """Wait until all have been stopped; where one cannot be kept, stop the others. Raises ProcessesEndedError."""
        done, rest = await asyncio.wait(keepers, return_when=asyncio.FIRST_EXCEPTION)
        if rest:
            self._stop(signal.SIGTERM)
            await asyncio.wait(rest)
        for task in done:
            task.result()

    async def keep(self, number: int, command: Sequence[str]) -> None:
        """Run a process until it is told to stop, again when it ends by itself."""
        loop = asyncio.get_running_loop()
        short_lives = 0
        while not self._stopping.is_set():
            born = loop.time()
            status = await self._run(number, command)
            if self._stopping.is_set():
                return
            short_lives = short_lives + 1 if loop.time() - born < STEADY_SECONDS else 1
            if short_lives >= (MAX_KILLED if status < 0 else MAX_ENDED):
                raise ProcessesEndedError(number, status)
            LOGGER.warning("process %d ended with %s and is started anew", number, _told(status))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS * short_lives):
                    await self._stopping.wait()

    async def _run(self, number: int, command: Sequence[str]) -> int:
        await self._up.wait()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, *command),
            env={**os.environ, PARENT: str(self._gone_reader)},
            pass_fds=(self._gone_reader,),
            start_new_session=True,  # Ctrl+C reaches the parent alone, which passes it on once
        )
        self._processes[number] = process
        if self._stopping.is_set():
            process.terminate()
        try:
            return await process.wait()
        finally:
            self._processes[number] = None

    def _stop(self, number: signal.Signals) -> None:
        """Pass a signal on: the first lets all finish what runs, a second ends them at once."""
        LOGGER.warning("%s: all processes are told to stop", number.name)
        self._stopping.set()
        for process in self._processes:
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()


async def keep_server(server: SharedServer, up: asyncio.Event) -> None:
    """Start the embedded server again when it has died; it is `up` when it takes connections."""
    while True:
        reason = await server.wait_exit()
        up.clear()
        LOGGER.warning("the embedded PostgreSQL server ended: %s; it is started anew", reason)
        while True:
            await asyncio.sleep(SERVER_PAUSE_SECONDS)
            try:
                await server.start()
            except EmbeddedServerError as error:
                LOGGER.warning("%s", error)
            else:
                up.set()
                break


def _told(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
