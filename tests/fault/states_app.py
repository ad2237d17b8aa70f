"""An app that counts in durable states. Runs until all is done, or until it is killed."""

from __future__ import annotations

import sys

import msgspec
import uvloop

from actors import Actor, Backoff, RetryOrder, RetryPolicy
from runtime import App, Settings

TABLES = "CREATE TABLE IF NOT EXISTS effect (tenant text, key text, n int)"


class Tally(msgspec.Struct):
    done: int = 0
    total: int = 0
    last: int = -1
    overtaken: int = 0
    """How many events ended after a later one of their key."""


class Step(msgspec.Struct):
    n: int


class Counter(Actor):
    """Every third event writes to the database too, every seventh fails at its first attempt."""

    state: Tally

    async def step(self, step: Step) -> None:
        self.state.done += 1
        self.state.total += step.n
        self.state.overtaken += step.n < self.state.last
        self.state.last = max(self.state.last, step.n)
        if step.n % 3 == 0:
            await self.db.execute("INSERT INTO effect VALUES ($1, $2, $3)", self.ctx.tenant, self.ctx.key, step.n)
        if step.n % 7 == 0 and self.ctx.attempt == 1:
            raise RuntimeError("not yet")


async def main(database: str, chunk_size: int, order: str) -> None:
    app = App("test")
    app.tables(TABLES)
    retry = RetryPolicy(backoff=Backoff(initial_seconds=0.01, max_seconds=0.05), order=RetryOrder(order))
    app.service("counters", Counter, keyed=True, chunk_size=chunk_size, instances=20, retry=retry)
    async with app.running(Settings(database=database)) as running:
        await running.wait_idle("counters")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
