"""Restarts without end, and actors that come and go, must leave memory and tasks where they were."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from actors import Actor, Restart, Supervision
from bench.actors_arena import Arena, arena
from bench.case import Measurement, Metric
from bench.cases.restart import AT_ONCE, CrashedError
from bench.loops import loop_name, run_on

QUESTION = (
    "What do a million restarts, and a million actors that are spawned and stop, leave behind in memory and tasks?"
)
COUNT = 1_000_000
QUICK_COUNT = 5_000
BATCH = 1_000
WARM_UP_BATCHES = 20
FOR_ONCE = Supervision(restart=Restart.TEMPORARY)
CRASHER = msgspec.structs.replace(AT_ONCE, restart=Restart.TRANSIENT)

Work = Callable[[Arena], Awaitable[None]]


class Crash(msgspec.Struct, frozen=True):
    """Told to crash."""


class Leave(msgspec.Struct, frozen=True):
    """Told to stop."""


class Mortal(Actor):
    """Crashes and stops as it is told."""

    lives = 0

    async def on_start(self) -> None:
        Mortal.lives += 1

    async def crash(self, _: Crash) -> None:
        raise CrashedError("asked to crash")

    async def leave(self, _: Leave) -> None:
        self.ctx.stop()


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    count = QUICK_COUNT if quick else COUNT
    logging.disable(logging.CRITICAL)
    metrics = [
        *run_on(loop_name(), soak("restarts", restarts, count)),
        *run_on(loop_name(), soak("spawns", spawns, count)),
    ]
    return Measurement(metrics, {"loop": loop_name(), "count": count})


async def soak(name: str, work: Work, count: int) -> list[Metric]:
    """What `count` rounds of work leave behind, once the first of them have filled every cache."""
    async with arena() as actors:
        for _ in range(WARM_UP_BATCHES):
            await work(actors)
        bytes_before, objects_before, tasks_before = held()
        for _ in range(count // BATCH):
            await work(actors)
        bytes_after, objects_after, tasks_after = held()
    return [
        Metric(f"{name}_rss_growth", bytes_after - bytes_before, "bytes"),
        Metric(f"{name}_object_growth", objects_after - objects_before, "objects"),
        Metric(f"{name}_task_growth", tasks_after - tasks_before, "tasks"),
    ]


async def restarts(actors: Arena) -> None:
    """One actor crashes and is restarted BATCH times, then stops."""
    crasher, crash = await actors.spawn(Mortal, "crasher", CRASHER), Crash()
    wanted = Mortal.lives + BATCH
    for _ in range(BATCH):
        crasher.tell(crash)
    crasher.tell(Leave())
    while Mortal.lives < wanted or actors.living:  # noqa: ASYNC110 # a signal would be one more thing to leave behind
        await asyncio.sleep(0)


async def spawns(actors: Arena) -> None:
    """BATCH actors are spawned and stop."""
    leave = Leave()
    for n in range(BATCH):
        (await actors.spawn(Mortal, str(n), FOR_ONCE)).tell(leave)
    while actors.living:  # noqa: ASYNC110 # as above
        await asyncio.sleep(0)


def held() -> tuple[int, int, int]:
    """Resident bytes, objects that the garbage collector knows, and tasks."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(gc.get_objects()), len(asyncio.all_tasks())
