"""One of several processes that run sagas: `python -m bench.sagas_child URL COUNT PROCESSES`.

It prints `ready` when it has its share, reads a line, runs its part of COUNT sagas, and prints `done`. It goes on
with what others started until it reads another line.
"""

from __future__ import annotations

import asyncio
import sys

from bench.durable import running
from bench.loops import loop_name, run_on
from bench.sagas_load import make_app, require_ended, run_sagas
from runtime.core.lease import DEFAULT_SHARDS

LOOK_SECONDS = 0.05


async def main(url: str, count: int, processes: int) -> None:
    app, sagas = make_app()
    async with running(app, url) as started:
        least = DEFAULT_SHARDS // processes
        while not least <= len(started.backlog.shards) <= least + 1:  # noqa: ASYNC110 # it is the others' doing
            await asyncio.sleep(LOOK_SECONDS)
        await _say("ready")
        await run_sagas(sagas, started, count // processes)
        await _say("done")
        await require_ended(sagas)


async def _say(word: str) -> None:
    """Say it, and wait for an answer."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    run_on(loop_name(), main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
