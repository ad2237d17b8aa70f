"""A member of a deployment in which a tenant has a cap. Each handler notes when it began and ended, on one clock."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import msgspec

from actors import Actor
from runtime import App, Enqueue, Settings

CAP = 4
JOBS = 300


class Job(msgspec.Struct):
    seconds: float = 0.02


class Noter(Actor):
    async def work(self, job: Job) -> None:
        note("start")
        await asyncio.sleep(job.seconds)
        note("end")


def note(what: str) -> None:
    """One write, so that lines of several processes do not mix."""
    with open("notes", "ab", buffering=0) as notes:  # noqa: PTH123 # it is a few bytes
        notes.write(f"{what} {os.getpid()} {time.monotonic():.6f}\n".encode())


def caps_app() -> App:
    app = App("test")
    app.service("work", Noter, slots=16)
    app.tenant("acme", slots=CAP)
    return app


async def main(database: str, count: int) -> None:
    """Enqueue so many jobs and see them done; without any, work for ever."""
    app = caps_app()
    async with app.running(Settings(database=database)) as running:
        if not count:
            await running.wait_stopped()
        await app.enqueue_many("work", [Enqueue(message=Job(), tenant="acme") for _ in range(count)])
        await running.wait_idle("work")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
