"""The demo as a program of its own, as people start it, and what a test asks of it from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec

from runtime.embedded import EmbeddedServer

POLL_SECONDS = 0.03
PATIENCE_SECONDS = 60


class Demo:
    """One home for all runs: its data directory, and a place of its own where its running app is found."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self._runtime = home / "run"
        self._runtime.mkdir(mode=0o700, exist_ok=True)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
        environment |= {"XDG_RUNTIME_DIR": str(self._runtime), "TMPDIR": str(self.home)}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from runtime.cli import main; main(prog_name='postroom')",
            "demo",
            *("--data", str(self.data), "--http", "127.0.0.1:0", *arguments),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str) -> tuple[int | None, str, str]:
        """Run to the end; exit code, output, errors."""
        program = await self.start(*arguments)
        out, err = await program.communicate()
        return program.returncode, out.decode(), err.decode()

    async def report(self, *arguments: str) -> Any:
        status, out, err = await self.run(*arguments, "--json")
        assert status == 0, err
        return json.loads(out)

    async def wait_handled(self, events: int) -> None:
        """Return when the running app says that its service has handled so many events."""
        async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
            while await self._handled(session) < events:  # noqa: ASYNC110 # another process, which can only be asked
                await asyncio.sleep(POLL_SECONDS)

    async def _handled(self, session: aiohttp.ClientSession) -> int:
        with contextlib.suppress(OSError, aiohttp.ClientError):  # not up yet
            for url in self.urls():
                async with session.get(f"{url}/v1/tree") as answer:
                    return handled(await answer.json())
        return 0

    def urls(self) -> list[str]:
        """Where running apps say they are found."""
        files = (self._runtime / "postroom").glob("*.json")
        return [json.loads(file.read_text())["url"] for file in files]

    def forget_announcements(self) -> None:
        """What a killed process left behind must not be asked again."""
        for file in (self._runtime / "postroom").glob("*.json"):
            file.unlink()

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """What the stopped demo left on disk."""
        server = EmbeddedServer(self.data)
        await server.start()
        try:
            connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
            try:
                yield connection
            finally:
                await connection.close()
        finally:
            await server.stop()


def handled(tree: dict[str, Any]) -> int:
    """How many events the service of the flights has handled in its present process."""
    if tree["name"] == "arrivals":
        return int(tree["handled"] or 0)
    return max((handled(child) for child in tree["children"]), default=0)
