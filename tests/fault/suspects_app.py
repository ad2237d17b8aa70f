"""An app with an event that takes the process down. Runs until all is done, or until it is ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import msgspec

from actors import Actor
from runtime import App, Enqueue, Settings

EVENTS = 60
POISON = 31
TABLES = "CREATE TABLE IF NOT EXISTS effect (n int NOT NULL)"


class Work(msgspec.Struct):
    n: int


class Worker(Actor):
    async def work(self, work: Work) -> None:
        await self.db.execute("INSERT INTO effect VALUES ($1)", work.n)
        if work.n == POISON:
            os._exit(9)


class Idler(Actor):
    async def work(self, work: Work) -> None:
        await asyncio.sleep(0.001)
        if work.n == POISON:
            os.kill(os.getpid(), signal.SIGKILL)


def suspects_app(chunk_size: int) -> App:
    app = App("test")
    app.tables(TABLES)
    app.service("works", Worker, slots=4, chunk_size=chunk_size)
    app.service("idles", Idler, slots=4, chunk_size=chunk_size, keyed=True)
    return app


async def main(database: str, service: str, chunk_size: int, *, enqueue: bool) -> None:
    app = suspects_app(chunk_size)
    async with app.running(Settings(database=database)) as running:
        if enqueue:
            many = [Enqueue(message=Work(n), tenant=f"t{n % 2}", key=f"k{n % 7}") for n in range(EVENTS)]
            await app.enqueue_many(service, many)
        await running.wait_idle(service)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), enqueue=len(sys.argv) > 4))
