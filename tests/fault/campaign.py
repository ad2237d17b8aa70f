"""A crash campaign: an app and its PostgreSQL server are killed again and again while a producer runs.

    python -m tests.fault.campaign --kills 100 --seed 7
    python -m tests.fault.campaign --kills 100 --processes 4

With several processes, which share the database, one of them is also paused now and then until the others take it for
dead, and goes on afterwards; and connections are cut, in the middle of whatever they do.

Afterwards everything is left to finish, and the history is checked: what was acknowledged is recorded, nothing is lost,
no effect in the database happens twice, order per key is kept, and repeats of other handlers stay within their bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import asyncpg
import click
import msgspec

from runtime.cli.processes import keep_server
from runtime.durable.crash_points import POINTS, VARIABLE
from runtime.embedded import SharedServer
from runtime.embedded.cluster import CLUSTER_FOLDER
from runtime.embedded.pid_file import read_pid_file
from runtime.embedded.shared import read_door
from tests.fault.campaign_app import ZOMBIES
from tests.fault.campaign_checker import Verdict, check, note_pause
from tests.fault.campaign_producer import SENT

ROOT = Path(__file__).parents[2]
LOG = "campaign.log"
POLL_SECONDS = 0.01
START_SECONDS = 60.0
FINISH_SECONDS = 300.0
POINT_SECONDS = 10.0
"""After which a process that has not come to its point is killed where it is."""
MAX_LIFE_SECONDS = 1.0
PAUSES = (5, 5, 5, 30)
"""Seconds, all of them longer than the lease of the app that is killed."""
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'postroom campaign' AND pid % 2 = (random() > 0.5)::int
"""
MAX_SERVER_KILLS = 3
"""In one life of the app, which gives up when its server dies too often."""

Say = Callable[[str], None]


class CampaignError(Exception):
    """The campaign could not go on: the app ended by itself, or never became ready."""


class Campaign:
    """One campaign in a directory of its own."""

    def __init__(self, home: Path, kills: int, seed: int, say: Say, processes: int = 1) -> None:
        self._home = home
        self._kills = kills
        self._processes = processes
        self._say = say
        self._random = random.Random(seed)
        self._seed = seed
        self._ports = [free_port() for _ in range(processes)]
        self._apps: list[asyncio.subprocess.Process | None] = [None] * processes
        self._place = 0
        """Which of the processes is meant."""
        self._server_kills = 0
        self._up = asyncio.Event()
        self._up.set()

    async def run(self) -> Verdict:
        """Everything, and the verdict over it."""
        if self._processes == 1:
            await self._run()
        else:
            await self._run_beside_server()
        return await check(self._home)

    async def _run_beside_server(self) -> None:
        """With a server that does not end with one of the processes."""
        server = SharedServer(self._home / "data")
        await server.start()
        keeping = asyncio.create_task(keep_server(server, self._up))
        try:
            await self._run()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await server.stop()

    async def _run(self) -> None:
        producer = await self._spawn("tests.fault.campaign_producer", str(self._seed), port=self._ports)
        try:
            for place in range(self._processes):
                self._place = place
                await self._start_app("")
            for number in range(1, self._kills + 1):
                what = await self._kill(number)
                self._say(f"kill {number}/{self._kills}: {what}; {self._acknowledged()} acknowledged")
            await self._finish(producer)
        finally:
            for process in (producer, *self._apps):
                if process is not None and process.returncode is None:
                    process.kill()
                    await process.wait()

    async def _kill(self, number: int) -> str:
        """Kill something; return what. The first kills are one of each kind."""
        kinds = [self._kill_at_point, self._kill_app, self._kill_server, self._kill_starting, self._kill_both]
        weights = [40, 25, 15, 10, 10]
        if self._processes > 1:
            kinds[2:2] = [self._pause_app, self._cut_connections]
            weights[2:2] = [10, 15]
        chosen = kinds[number - 1] if number <= len(kinds) - 2 else self._random.choices(kinds, weights)[0]
        self._place = self._random.randrange(self._processes)
        if chosen == self._kill_server and self._server_kills == MAX_SERVER_KILLS:
            chosen = self._kill_app
        return await chosen()

    async def _kill_at_point(self) -> str:
        point = f"{self._random.choice(POINTS)}:{self._random.choice((1, 2, 3, 5, 10, 20, 40))}"
        await self._live()
        if self._random.random() < 0.5:
            await self._end_app()
        else:
            await self._stop_app()
        app = await self._spawn_app(point)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.wait(), POINT_SECONDS)
            await self._start_app("")
            return f"the app at {point}"
        return f"{await self._kill_app()} (it never came to {point})"

    async def _kill_app(self) -> str:
        lived = await self._live()
        await self._end_app()
        await self._start_app("")
        return f"the app after {lived:.2f} s"

    async def _pause_app(self) -> str:
        """Have a process stand still until the others have taken it for dead; then it finds out."""
        chosen = self._place
        for place in range(self._processes):  # there must be others who can take it for dead
            self._place = place
            await self._until_ready()
        self._place = chosen
        await self._live()
        app = self._running_app()
        fenced = self._zombies()
        app.send_signal(signal.SIGSTOP)
        seconds = self._random.choice(PAUSES)
        await asyncio.sleep(seconds)
        note_pause(self._home, app.pid)
        app.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + START_SECONDS
        while self._zombies() == fenced:
            self._running_app()
            if time.monotonic() > deadline:
                raise CampaignError(f"a process that was paused was not fenced; see {self._home / LOG}")
            await asyncio.sleep(POLL_SECONDS)
        return f"an app paused for {seconds} s, which others took for dead"

    def _zombies(self) -> int:
        zombies = self._home / ZOMBIES
        return zombies.read_bytes().count(b"\n") if zombies.exists() else 0

    async def _cut_connections(self) -> str:
        """Cut half of the connections of all processes, whatever they are doing."""
        lived = await self._live()
        door = read_door(self._home / "data")
        if door is None:
            return "no connection, as the server was away"
        try:
            connection = await asyncpg.connect(**msgspec.structs.asdict(door.dsn))
            cut = await connection.fetchval(CUT)
            await connection.close()
        except (OSError, asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError):
            return "no connection, as the server was away"
        return f"{cut} connections after {lived:.2f} s"

    async def _kill_starting(self) -> str:
        await self._end_app()
        await self._spawn_app("")
        pause = self._random.uniform(0.0, 0.7)
        await asyncio.sleep(pause)
        await self._end_app()
        await self._start_app("")
        return f"the app {pause:.2f} s into its start"

    async def _kill_server(self) -> str:
        lived = await self._live()
        self._server_kills += 1
        await self._end_server()
        return f"the server after {lived:.2f} s"

    async def _kill_both(self) -> str:
        lived = await self._live()
        await self._end_server()
        await self._end_app()
        await self._start_app("")
        return f"the server and the app after {lived:.2f} s"

    async def _live(self) -> float:
        """Let the app work for a random while."""
        seconds = self._random.uniform(0.0, MAX_LIFE_SECONDS)
        await asyncio.sleep(seconds)
        return seconds

    async def _end_server(self) -> None:
        """Kill the postmaster, if there is one: after an earlier kill it may not be up again."""
        claim = read_pid_file(self._home / "data" / CLUSTER_FOLDER)
        if claim is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(claim.pid, signal.SIGKILL)

    async def _end_app(self) -> None:
        await self._start_again()
        app = self._running_app()
        app.kill()
        await app.wait()

    async def _stop_app(self) -> None:
        """Stop the app cleanly."""
        await self._until_ready()
        self._running_app().send_signal(signal.SIGTERM)
        await self._until_ended()

    async def _until_ended(self) -> None:
        app = self._apps[self._place]
        assert app is not None
        status = await asyncio.wait_for(app.wait(), FINISH_SECONDS)
        if status != 0:
            raise CampaignError(f"the app did not stop cleanly: status {status}; see {self._home / LOG}")

    def _running_app(self) -> asyncio.subprocess.Process:
        app = self._apps[self._place]
        assert app is not None
        if app.returncode is not None:
            raise CampaignError(f"an app ended by itself with status {app.returncode}; see {self._home / LOG}")
        return app

    async def _spawn_app(self, point: str) -> asyncio.subprocess.Process:
        self._server_kills = 0
        await self._up.wait()
        port = [self._ports[self._place]]
        self._apps[self._place] = app = await self._spawn("tests.fault.campaign_app", point=point, port=port)
        return app

    async def _start_app(self, point: str) -> None:
        """Start the app and wait until it serves."""
        await self._spawn_app(point)
        await self._until_ready()

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        async with aiohttp.ClientSession() as session:
            while not await self._ready(session):
                await self._start_again()
                if time.monotonic() > deadline:
                    raise CampaignError(f"the app was not ready after {START_SECONDS:g} s; see {self._home / LOG}")
                await asyncio.sleep(POLL_SECONDS)

    async def _start_again(self) -> None:
        """A process that is alone may not end by itself; one of several may, when it starts while the server does.

        And one that was to end at a point may come there late.
        """
        app = self._apps[self._place]
        if self._processes > 1 and app is not None and app.returncode in {1, -signal.SIGKILL}:
            await self._spawn_app("")
        else:
            self._running_app()

    async def _ready(self, session: aiohttp.ClientSession) -> bool:
        with contextlib.suppress(OSError, aiohttp.ClientError):
            async with session.get(f"http://127.0.0.1:{self._ports[self._place]}/readyz") as answer:
                return answer.status == 200
        return False

    async def _spawn(
        self, module: str, *arguments: str, port: Sequence[int], point: str = ""
    ) -> asyncio.subprocess.Process:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
        path = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
        environment |= {"XDG_RUNTIME_DIR": str(self._home), "PYTHONPATH": path, VARIABLE: point}
        with (self._home / LOG).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, str(self._home), ",".join(map(str, port)), *arguments),
                env=environment,
                stdin=asyncio.subprocess.PIPE,  # its end tells them that the campaign has ended
                stdout=log,
                stderr=log,
            )

    async def _finish(self, producer: asyncio.subprocess.Process) -> None:
        """Have the producer bring home what it sent, then the app finish what it accepted."""
        if producer.returncode is not None:
            raise CampaignError(f"the producer ended by itself; see {self._home / LOG}")
        producer.terminate()
        if await asyncio.wait_for(producer.wait(), FINISH_SECONDS):
            raise CampaignError(f"the producer failed; see {self._home / LOG}")
        for place in range(self._processes):  # one that is still starting would die of the signal
            self._place = place
            await self._until_ready()
        for place in range(self._processes):
            self._place = place
            self._running_app().send_signal(signal.SIGUSR1)
        for place in range(self._processes):
            self._place = place
            await self._until_ended()

    def _acknowledged(self) -> int:
        sent = self._home / SENT
        return sent.read_bytes().count(b"\n") if sent.exists() else 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def summary(verdict: Verdict) -> str:
    return (
        f"{verdict.accepted} accepted, {verdict.recorded} recorded; {verdict.effects} effects and {verdict.echoes}"
        f" emitted ones; {verdict.repeats} repeats of other handlers, at most {verdict.most_repeats_of_a_crash} in one"
        f" life, {verdict.zombies} by processes that were taken for dead; {verdict.condemned} blamed for three kills"
    )


@click.command()
@click.option("--kills", type=click.IntRange(1), default=100, show_default=True)
@click.option("--seed", type=int, help="Repeats a campaign's choices [default: drawn and printed].")
@click.option("--quick", is_flag=True, help="Three kills, or six with several processes.")
@click.option("--processes", type=click.IntRange(1, 8), default=1, show_default=True, help="That share the database.")
@click.option("--keep", is_flag=True, help="Keep the directory with the database and the logs.")
def main(kills: int, seed: int | None, processes: int, *, quick: bool, keep: bool) -> None:
    """Kill an app and its server many times and check that every promise holds."""
    seed = random.randrange(1 << 32) if seed is None else seed
    click.echo(f"seed {seed}")
    with contextlib.ExitStack() as stack:
        if keep:
            home = tempfile.mkdtemp(prefix="campaign-")
            click.echo(f"in {home}")
        else:
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="campaign-", ignore_cleanup_errors=True))
        began = time.monotonic()
        kills = (3 if processes == 1 else 6) if quick else kills
        verdict = asyncio.run(Campaign(Path(home), kills, seed, click.echo, processes).run())
        click.echo(f"{summary(verdict)}; {time.monotonic() - began:.0f} s")
    for broken in verdict.broken:
        click.echo(f"BROKEN {broken}", err=True)
    sys.exit(1 if verdict.broken else 0)


if __name__ == "__main__":
    main()
