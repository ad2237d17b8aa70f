"""The process that runs DBOS: `python -m bench.peers.dbos_workflows URL COUNT` prints workflows per second.

Workflows of three steps that do nothing, each told what the one before it answered, with a journal in PostgreSQL, as
the sagas beside them. Both ways of DBOS are run, coroutines and threads, and the quicker one is printed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

STARTERS = 200
"""Tasks that start workflows, as for the sagas."""
THREADS = 16
POOL = 20
"""Connections that DBOS may open for its journal, its default."""


def measure(url: str, count: int) -> float:
    """How many workflows a second are run to a recorded end."""
    # an extra: it must be possible to import this module without
    from dbos import DBOS, SetWorkflowID  # noqa: PLC0415

    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "sys_db_pool_size": POOL,
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )

    @DBOS.step()  # type: ignore[untyped-decorator] # its types are not looked at
    async def nothing(number: int) -> int:
        return number

    @DBOS.workflow()  # type: ignore[untyped-decorator] # as above
    async def three(number: int) -> int:
        last: int = await nothing(await nothing(await nothing(number)))
        return last

    @DBOS.step()  # type: ignore[untyped-decorator] # its types are not looked at
    def nothing_in_a_thread(number: int) -> int:
        return number

    @DBOS.workflow()  # type: ignore[untyped-decorator] # as above
    def three_in_a_thread(number: int) -> int:
        last: int = nothing_in_a_thread(nothing_in_a_thread(nothing_in_a_thread(number)))
        return last

    async def run_all() -> float:
        numbers = iter(range(count))

        async def start() -> None:
            for number in numbers:
                with SetWorkflowID(f"coroutine-{number}"):
                    await three(number)

        began = time.perf_counter()
        await asyncio.gather(*(start() for _ in range(STARTERS)))
        return count / (time.perf_counter() - began)

    def run_one(number: int) -> None:
        with SetWorkflowID(f"thread-{number}"):
            three_in_a_thread(number)

    DBOS.launch()
    try:
        in_coroutines = asyncio.run(run_all())
        began = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(run_one, range(count)))
        in_threads = count / (time.perf_counter() - began)
        sys.stderr.write(f"DBOS: {in_coroutines:.0f}/s in coroutines, {in_threads:.0f}/s in threads\n")
        return max(in_coroutines, in_threads)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    sys.stdout.write(f"{measure(sys.argv[1], int(sys.argv[2]))}\n")
