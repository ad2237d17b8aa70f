"""PgQueuer in the case `noisy-neighbour`: `python -m bench.peers.pgqueuer_neighbour URL COUNT` prints total and p99."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time

from bench.durable_limits import raw
from bench.loops import loop_name, run_on
from bench.neighbours import JOB_SECONDS, LARGE, SLOTS, SMALL, SMALL_JOBS, part

ENTRYPOINT = "jobs"
BATCH = SLOTS // 2
"""The largest batch that it allows with so many slots."""
CALL = 5_000


async def work_off(url: str, count: int) -> tuple[float, float]:
    """Have it run while a large tenant enqueues `count` jobs and then the small ones theirs, as in the case."""
    # an extra: it must be possible to import this module without
    from pgqueuer import AsyncpgDriver, Job, Queries, QueueManager  # noqa: PLC0415

    starts: list[float] = []
    ended = itertools.count(1)
    async with raw(url) as connection, raw(url) as other:
        manager = QueueManager(Queries(AsyncpgDriver(connection)))
        queries = Queries(AsyncpgDriver(other))
        await queries.install()

        @manager.entrypoint(ENTRYPOINT)  # type: ignore[untyped-decorator] # its types are not looked at
        async def work(job: Job) -> None:
            if job.payload != LARGE.encode():
                starts.append(time.perf_counter())
            await asyncio.sleep(JOB_SECONDS)
            if next(ended) == count + len(SMALL) * SMALL_JOBS:
                manager.shutdown.set()

        async def enqueue(tenant: str, jobs: int) -> None:
            for start in range(0, jobs, CALL):
                size = min(CALL, jobs - start)
                await queries.enqueue([ENTRYPOINT] * size, [tenant.encode()] * size, [0] * size)

        running = asyncio.create_task(manager.run(batch_size=BATCH, max_concurrent_tasks=SLOTS))
        began = time.perf_counter()
        await enqueue(LARGE, count)
        arrived = time.perf_counter()
        for tenant in SMALL:
            await enqueue(tenant, SMALL_JOBS)
        await manager.shutdown.wait()
        total = time.perf_counter() - began
        await running
    return total, part(sorted(at - arrived for at in starts), 0.99)


if __name__ == "__main__":
    sys.stdout.write("{} {}\n".format(*run_on(loop_name(), work_off(sys.argv[1], int(sys.argv[2])))))
