"""The process that runs PgQueuer: `python -m bench.peers.pgqueuer_drain URL COUNT` prints jobs per second."""

from __future__ import annotations

import sys
import time

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, Job, Queries, QueueManager
from pgqueuer.types import QueueExecutionMode

ENTRYPOINT = "work"
BATCH = 500
"""What its own benchmarks take."""
CALL = 5_000
PAYLOAD = b"x" * 200


async def drain(url: str, count: int) -> float:
    """Enqueue jobs in bulk, then handle them all; returns how many a second the second part does."""
    connection = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    for _ in range(0, count, CALL):
        size = min(CALL, count)
        await queries.enqueue([ENTRYPOINT] * size, [PAYLOAD] * size, [0] * size)
    manager = QueueManager(queries)

    @manager.entrypoint(ENTRYPOINT)
    async def work(job: Job) -> None:
        del job

    began = time.perf_counter()
    await manager.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
    seconds = time.perf_counter() - began
    await connection.close()
    return count / seconds


if __name__ == "__main__":
    sys.stdout.write(f"{uvloop.run(drain(sys.argv[1], int(sys.argv[2])))}\n")
