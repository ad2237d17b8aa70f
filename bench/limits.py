"""What asyncio itself can do here, for cases to compare with: `python -m bench.limits [--quick]` asks every loop.

Every function does `count` operations and returns operations per second.
"""

from __future__ import annotations

import asyncio
import sys
import time

from bench.loops import LOOPS, run_on

BOUND = 1024
COUNT = 500_000
QUICK_COUNT = 5_000


async def queue_unbounded(count: int) -> float:
    """A task puts into a bare `asyncio.Queue`, another takes."""
    return await _queue(count, producers=1, bound=0)


async def queue_bounded(count: int) -> float:
    """The same with room for 1,024."""
    return await _queue(count, producers=1, bound=BOUND)


async def queue_fan_in(count: int) -> float:
    """100 tasks put into one unbounded `asyncio.Queue`, another takes."""
    return await _queue(count, producers=100, bound=0)


async def two_turns(count: int) -> float:
    """A task gives its turn to the loop twice: what a request and its reply cost where each needs a turn."""
    return await _turns(2 * count, tasks=1) / 2


async def turns_of_100(count: int) -> float:
    """100 tasks take turns, so that what a loop does once in a turn is shared by all of them."""
    return await _turns(count, tasks=100)


async def replies(count: int) -> float:
    """Make a future, resolve it, await it: a reply without any turn."""
    new_future = asyncio.get_running_loop().create_future
    started = time.perf_counter()
    for _ in range(count):
        reply = new_future()
        reply.set_result(None)
        await reply
    return count / (time.perf_counter() - started)


async def tasks(count: int) -> float:
    """Make a task that does nothing, and wait for it."""

    async def nothing() -> None:
        pass

    started = time.perf_counter()
    made = [asyncio.create_task(nothing()) for _ in range(count)]
    await made[-1]
    return count / (time.perf_counter() - started)


LIMITS = (queue_unbounded, queue_bounded, queue_fan_in, two_turns, turns_of_100, replies, tasks)


async def _queue(count: int, *, producers: int, bound: int) -> float:
    queue: asyncio.Queue[int] = asyncio.Queue(bound)

    async def produce() -> None:
        for n in range(count // producers):
            await queue.put(n)

    async def consume() -> None:
        for _ in range(count // producers * producers):
            await queue.get()

    started = time.perf_counter()
    await asyncio.gather(*(produce() for _ in range(producers)), consume())
    return count / (time.perf_counter() - started)


async def _turns(count: int, *, tasks: int) -> float:
    async def turn() -> None:
        for _ in range(count // tasks):
            await asyncio.sleep(0)

    started = time.perf_counter()
    await asyncio.gather(*(turn() for _ in range(tasks)))
    return count / (time.perf_counter() - started)


def main(arguments: list[str]) -> None:
    count = QUICK_COUNT if "--quick" in arguments else COUNT
    for limit in LIMITS:
        rates = "  ".join(f"{loop} {run_on(loop, limit(count)):>12,.0f}/s" for loop in LOOPS)
        sys.stdout.write(f"{limit.__name__:<16}  {rates}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
