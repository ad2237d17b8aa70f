"""The app that a crash campaign kills: services that write through self.db, that only note, that fail, that emit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import uvloop

from actors import Actor, Backoff, RetryOrder, RetryPolicy
from runtime import App, Settings
from runtime.errors import LeaseLostError

FLAKY = "flaky"
"""The key whose events fail now and then; its order is kept by the strict services alone, as elsewhere a retry rejoins
at the end."""
LEDGERS = ("ledger", "strict-ledger")
TRACKERS = ("tracker", "strict-tracker")
STRICT = ("strict-ledger", "strict-tracker")
ATTEMPTS = 3
LATE_SECONDS = 0.2
BURST = 250
"""Enough events for one handler's emissions to be appended by COPY."""
POOLED_SLOTS = 16
TRACKER_CHUNK = 5
HISTORY = "history.jsonl"
ZOMBIES = "zombies.jsonl"
LEASE_SECONDS = 3.0
TABLES = """
CREATE TABLE IF NOT EXISTS effect (
    place bigint GENERATED ALWAYS AS IDENTITY, event uuid, service text, tenant text, key text, n int, attempt int
);
CREATE TABLE IF NOT EXISTS echo (event uuid, cause uuid);
"""


class Step(msgspec.Struct):
    n: int


class Echo(msgspec.Struct):
    cause: UUID


class Note(msgspec.Struct, frozen=True):
    """One run of a handler without database effects, noted in a file that survives the process."""

    incarnation: UUID
    service: str
    tenant: str
    key: str | None
    n: int
    attempt: int
    event: UUID


class Zombie(msgspec.Struct, frozen=True):
    """A life that was paused for so long that others took it for dead."""

    pid: int
    incarnation: UUID


class History:
    """Appends to the file in single writes, which a kill does not tear apart."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.incarnation = uuid4()

    def note(self, actor: Actor, n: int) -> None:
        context = actor.ctx
        assert context.event_id is not None
        assert context.tenant is not None
        names = (context.service, context.tenant, context.key)
        made = Note(self.incarnation, *names, n, context.attempt, context.event_id)
        os.write(self._file, msgspec.json.encode(made) + b"\n")


HISTORIES: list[History] = []


def fails(key: str | None, n: int, attempt: int) -> bool:
    """Whether an attempt fails: of the flaky key's events a quarter once, a quarter always."""
    return key == FLAKY and ((n % 4 == 1 and attempt == 1) or n % 4 == 2)


def dies(key: str | None, n: int) -> bool:
    return fails(key, n, ATTEMPTS)


def echoes_of(service: str, key: str | None, n: int) -> int:
    """How many events the event's handler emits in all."""
    if dies(key, n):
        return 0
    if service in LEDGERS:
        return (n % 3 == 0) + (n % 7 == 0)
    return BURST if service == "pooled" and n % 40 == 7 else 0


class Ledger(Actor):
    """Writes through self.db in chunks."""

    async def step(self, step: Step) -> None:
        context = self.ctx
        await self.db.execute(
            "INSERT INTO effect (event, service, tenant, key, n, attempt) VALUES ($1, $2, $3, $4, $5, $6)",
            *(context.event_id, context.service, context.tenant, context.key, step.n, context.attempt),
        )
        if fails(context.key, step.n, context.attempt):
            raise RuntimeError("as the campaign wants it")
        assert context.event_id is not None
        if step.n % 3 == 0:
            context.emit("echoes", Echo(context.event_id))
        if step.n % 7 == 0:
            context.emit("echoes", Echo(context.event_id), delay_seconds=LATE_SECONDS)


class Tracker(Actor):
    """Notes what it handles, in order per key."""

    async def step(self, step: Step) -> None:
        HISTORIES[0].note(self, step.n)
        if fails(self.ctx.key, step.n, self.ctx.attempt):
            raise RuntimeError("as the campaign wants it")


class Pooled(Actor):
    """Notes what it handles while others run, and emits a burst at times."""

    async def step(self, step: Step) -> None:
        HISTORIES[0].note(self, step.n)
        await asyncio.sleep(0.002)
        if fails(self.ctx.key, step.n, self.ctx.attempt):
            raise RuntimeError("as the campaign wants it")
        assert self.ctx.event_id is not None
        for _ in range(echoes_of("pooled", self.ctx.key, step.n)):
            self.ctx.emit("echoes", Echo(self.ctx.event_id))


class Echoes(Actor):
    async def echo(self, echo: Echo) -> None:
        await self.db.execute("INSERT INTO echo VALUES ($1, $2)", self.ctx.event_id, echo.cause)


def campaign_app() -> App:
    app = App("campaign")
    app.tables(TABLES)
    retry = RetryPolicy(attempts=ATTEMPTS, backoff=Backoff(initial_seconds=0.05, max_seconds=0.2))
    strict = RetryPolicy(attempts=ATTEMPTS, backoff=Backoff(initial_seconds=0.01), order=RetryOrder.STRICT)
    for name, policy in zip(LEDGERS, (retry, strict), strict=True):
        app.service(name, Ledger, keyed=True, slots=4, chunk_size=20, retry=policy)
    for name, policy in zip(TRACKERS, (retry, strict), strict=True):
        app.service(name, Tracker, keyed=True, slots=4, chunk_size=TRACKER_CHUNK, retry=policy)
    app.service("pooled", Pooled, slots=POOLED_SLOTS, retry=retry)
    app.service("echoes", Echoes, slots=4, chunk_size=50)
    return app


def end_with_campaign() -> None:
    """End this process when the campaign's own has ended and so closed the pipe that is our standard input."""
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), os._exit, 1)


async def main(home: Path, port: int) -> None:
    """Run until SIGTERM; or, told by SIGUSR1, until every event has its final outcome."""
    end_with_campaign()
    HISTORIES.append(History(home / HISTORY))
    stop, finish = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, finish.set)
    app = campaign_app()
    settings = Settings(data_dir=home / "data", http=f"127.0.0.1:{port}", window=100, lease_seconds=LEASE_SECONDS)
    while not (stop.is_set() or finish.is_set()):
        with contextlib.suppress(LeaseLostError):  # while it was starting
            await live(app, settings, home, stop, finish)
        HISTORIES[0] = History(home / HISTORY)  # what comes is another life


async def live(app: App, settings: Settings, home: Path, stop: asyncio.Event, finish: asyncio.Event) -> None:
    """One life of the app, until it is told to end or finds that others took it for dead."""
    async with app.running(settings) as running:
        waits = [asyncio.create_task(event.wait()) for event in (stop, finish)]
        gave_up = asyncio.create_task(running.wait_stopped())
        await asyncio.wait((*waits, gave_up), return_when=asyncio.FIRST_COMPLETED)
        if gave_up.done():
            if not isinstance(gave_up.result(), LeaseLostError):
                sys.exit(f"the app gave up: {gave_up.result()}")
            became_zombie(home, HISTORIES[0])
        for task in (*waits, gave_up):
            task.cancel()
        for service in app.services if finish.is_set() else ():
            await running.wait_idle(service)


def became_zombie(home: Path, history: History) -> None:
    """Note that this life was fenced while it was paused."""
    with (home / ZOMBIES).open("ab") as file:
        file.write(msgspec.json.encode(Zombie(os.getpid(), history.incarnation)) + b"\n")


if __name__ == "__main__":
    logging.basicConfig(level="WARNING", format="%(asctime)s %(process)d %(name)s: %(message)s")
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
