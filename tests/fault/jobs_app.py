"""An app of jobs with signatures and finalizers. Enqueues the same jobs at each start, and runs until all is done."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from uuid import UUID

import msgspec

from actors import Actor, Finalizer, JobEnded, RetryPolicy, Signature
from runtime import App, Enqueue, Settings
from runtime.durable.ids import IdSource

JOBS = 60
POSTED = 20
POST = "SELECT postroom.enqueue('work', 'sql', jsonb_build_object('n', $1::int), id => $2)"
TABLES = """
CREATE TABLE IF NOT EXISTS effect (n int NOT NULL);
CREATE TABLE IF NOT EXISTS told (job uuid NOT NULL, outcome text NOT NULL, result int);
CREATE TABLE IF NOT EXISTS answered (n int NOT NULL, job uuid NOT NULL);
"""


class Work(msgspec.Struct):
    n: int


class Worker(Actor):
    """Fails for every fifth."""

    async def work(self, work: Work) -> int:
        await self.db.execute("INSERT INTO effect VALUES ($1)", work.n)
        if work.n % 5 == 0:
            raise ValueError("no luck")
        return work.n


class Closer(Actor):
    async def close(self, ended: JobEnded) -> None:
        await self.db.execute("INSERT INTO told VALUES ($1, $2, $3)", ended.job, ended.outcome, ended.result)


def posted_ids() -> list[UUID]:
    """The same at each start, and young enough to stay in the log."""
    today = time.time() // 86_400 * 86_400
    ids = IdSource(lambda: today, random.Random(5).randbytes)
    return [ids.new_id() for _ in range(POSTED)]


def jobs_app() -> App:
    app = App("test")
    app.tables(TABLES)
    app.service("work", Worker, chunk_size=4, retry=RetryPolicy(attempts=1), keep_results=True)
    app.service("closer", Closer, chunk_size=4)
    return app


async def main(database: str) -> None:
    app = jobs_app()
    async with app.running(Settings(database=database)) as running:
        finalizer = Finalizer(service="closer")
        many = [
            Enqueue(message=Work(n), tenant=f"t{n % 3}", finalizer=finalizer, signature=Signature(f"{n}", "global"))
            for n in range(JOBS)
        ]
        ids = await app.enqueue_many("work", many)
        rows = [(each.message.n, job) for each, job in zip(many, ids, strict=True) if isinstance(each.message, Work)]
        await running.database.executemany("INSERT INTO answered VALUES ($1, $2)", rows)
        for n, job in enumerate(posted_ids(), JOBS):
            await running.database.execute(POST, n, job)
        await running.wait_idle("work")
        await running.wait_idle("closer")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
