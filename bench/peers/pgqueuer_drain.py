"""The process that runs PgQueuer: `python -m bench.peers.pgqueuer_drain URL COUNT` prints jobs per second."""

from __future__ import annotations

import sys
import time

from bench.durable_limits import raw
from bench.loops import loop_name, run_on

ENTRYPOINT = "work"
BATCH = 500
"""What its own benchmarks take."""
CALL = 5_000
PAYLOAD = b"x" * 200


async def drain(url: str, count: int) -> float:
    """Enqueue jobs in bulk, then handle them all; returns how many a second the second part does."""
    # an extra: it must be possible to import this module without
    from pgqueuer import AsyncpgDriver, Job, Queries, QueueManager  # noqa: PLC0415
    from pgqueuer.types import QueueExecutionMode  # noqa: PLC0415

    async with raw(url) as connection:
        queries = Queries(AsyncpgDriver(connection))
        await queries.install()
        for start in range(0, count, CALL):
            size = min(CALL, count - start)
            await queries.enqueue([ENTRYPOINT] * size, [PAYLOAD] * size, [0] * size)
        manager = QueueManager(queries)

        @manager.entrypoint(ENTRYPOINT)  # type: ignore[untyped-decorator] # its types are not looked at
        async def work(job: Job) -> None:
            del job

        began = time.perf_counter()
        await manager.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
        return count / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.stdout.write(f"{run_on(loop_name(), drain(sys.argv[1], int(sys.argv[2])))}\n")
