"""An app of sagas whose every effect is a row. Runs until all sagas have ended, or until it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import msgspec
import uvloop

from actors import Actor, RetryPolicy
from runtime import App, Settings
from runtime.errors import ConflictError
from runtime.operations import Operations
from runtime.store.records import DeadLetterFilter
from sagas import Compensation, Flow, Retry, Sagas, undo
from sagas.sagas import ENDED

TABLES = "CREATE TABLE IF NOT EXISTS effect (saga text NOT NULL, what text NOT NULL)"
SAGAS = 40
REFUSED = 3
"""Every so many sagas fail at their last step."""


class Do(msgspec.Struct):
    saga: str
    what: str
    number: int = 0


class Worker(Actor):
    """Writes each effect down; refuses the last step of some sagas, and the first attempt at some."""

    async def do(self, do: Do) -> str:
        if do.what == "last" and do.number % REFUSED == 0:
            raise ValueError("refused")
        await self.db.execute("INSERT INTO effect VALUES ($1, $2)", do.saga, do.what)
        return do.what


class Echo(Actor):
    """A step without effects in the database, which goes another way to disk, and waits without its slot."""

    async def echo(self, echo: Do) -> str:
        await self.ctx.callouts([asyncio.sleep(0.005)])
        return echo.what


def revoking(name: str) -> Compensation:
    """Writes down that a step was undone."""
    retry = Retry(attempts=3, initial_seconds=0.01)
    return undo("work", "{saga: saga.id}", config={"what": f"undo {name}"}, retry=retry)


def step(flow: Flow, name: str) -> Flow:
    given = "{saga: saga.id, number: input.n}"
    return flow.step(name, "work", given, config={"what": name}, undo=revoking(name))


def flow() -> Flow:
    """All kinds of nodes: a saga inside, branches, a loop, a pause, a choice."""
    branches = step(Flow("one"), "left"), step(Flow("other").wait("pause", seconds=0.02), "right")
    rounds = Flow("round").step("each", "echo", "{saga: saga.id}", config={"what": "each"})
    made = step(Flow("trip"), "first").parallel("both", *branches).each("rounds", "input.items", rounds, at_once=2)
    made.saga("inside", "inner", "{n: input.n}")
    return step(made.choice("parity", ("input.odd", step(Flow("o"), "odd")), otherwise=step(Flow("e"), "even")), "last")


def app_of_sagas() -> tuple[App, Sagas]:
    app = App("test")
    app.tables(TABLES)
    app.service("work", Worker, chunk_size=5, retry=RetryPolicy(attempts=1))
    app.service("echo", Echo, retry=RetryPolicy(attempts=1))
    sagas = Sagas(app)
    inner = step(Flow("inner"), "within")
    sagas.register(inner.definition())
    sagas.register(flow().definition())
    return app, sagas


async def main(database: str) -> None:
    app, sagas = app_of_sagas()
    async with app.running(Settings(database=database)) as running:
        await start_all(sagas)
        for number in range(SAGAS):
            while (await sagas.wait(f"s{number}", timeout_seconds=1.0)).status not in ENDED:
                await replay_the_blamed(running.operations)
        await running.wait_idle("work")


async def start_all(sagas: Sagas) -> None:
    """The same sagas, however often."""
    for number in range(SAGAS):
        given = {"n": number, "odd": number % 2 == 1, "items": [1, 2, 3]}
        await sagas.start("trip", given, tenant=f"t{number % 3}", id=f"s{number}")


async def replay_the_blamed(operations: Operations) -> None:
    """An event that was blamed for three kills is let go on, as a person would."""
    for letter in await operations.dead_letters(DeadLetterFilter()):
        if letter.cause.type.endswith("TookProcessDownError"):
            with contextlib.suppress(ConflictError):  # its saga has gone back
                await operations.replay(letter.event.id, by="test")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
