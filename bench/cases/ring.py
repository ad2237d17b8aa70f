"""One message goes round a ring of 1,000 actors."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from actors import Actor, Ref
from bench.actors_arena import arena
from bench.actors_rounds import Rounds
from bench.case import Measurement
from bench.limits import queue_unbounded

QUESTION = "How many hops a second does a message make from actor to actor?"
RING = 1000


class Join(msgspec.Struct, frozen=True):
    """Who comes next; `done` is resolved by whom the last hop reaches."""

    next: Ref
    done: Any


class Hop(msgspec.Struct, frozen=True):
    """Goes on while hops are left."""

    left: int


class Member(Actor):
    """Hands on what it gets."""

    _place: Join

    async def join(self, place: Join) -> None:
        self._place = place

    async def hop(self, hop: Hop) -> None:
        if hop.left:
            self._place.next.tell(Hop(hop.left - 1))
        else:
            self._place.done.set_result(None)


def measure(quick: bool) -> Measurement:  # noqa: FBT001 # the signature of every case
    rounds = Rounds(count=300_000, quick_count=10_000, quick=quick)
    rounds.note("members", RING)
    rounds.compare(ring, queue_unbounded)
    rounds.erlang("ring")
    return rounds.result()


async def ring(count: int) -> float:
    async with arena() as actors:
        members = [await actors.spawn(Member, str(n)) for n in range(RING)]
        done = asyncio.get_running_loop().create_future()
        for n, member in enumerate(members):
            member.tell(Join(members[(n + 1) % RING], done))
        started = time.perf_counter()
        members[0].tell(Hop(count))
        await done
        return count / (time.perf_counter() - started)
