"""Slots on a virtual clock that are given to entries of classes of work."""

from __future__ import annotations

import heapq
from collections import defaultdict
from itertools import count

import msgspec

from runtime.core.classed_share import ClassedShare
from runtime.core.fair_share import FairShare, Taken
from runtime.core.flow_control import make_share
from runtime.core.work_classes import WORK_CLASSES, Guarantees


class Job(msgspec.Struct, frozen=True):
    """An entry: its number, the place of its class, and how long it runs."""

    number: int
    work_class: int
    seconds: float


class ByJob:
    """The class of a job is the one it names."""

    def class_of(self, entry: Job) -> int:
        return entry.work_class

    def ran(self, entry: Job, seconds: float) -> None:
        assert seconds <= entry.seconds


def no_wake() -> None:
    """Nobody is woken here."""


def classed(
    total: int, guarantees: Guarantees, *, cost: int = 1, examined: int | None = None, estimate: float | None = None
) -> ClassedShare[Job]:
    if estimate is not None:
        shares: list[FairShare[Job]] = [FairShare(default_estimate_seconds=estimate) for _ in WORK_CLASSES]
    else:
        shares = [make_share(examined, slots_per_entry=cost, wake=no_wake) for _ in WORK_CLASSES]
    share = ClassedShare(ByJob(), shares, cost)
    share.set_classes(total, guarantees)
    return share


class SlotWorld:
    """So many slots, filled at every moment with what the scheduler gives out."""

    def __init__(self, share: ClassedShare[Job], total: int, chunk: int = 1) -> None:
        self.share = share
        self.total = total
        self.free = total
        self.chunk = chunk
        self.now = 0.0
        self.used: dict[str, float] = defaultdict(float)
        self.started: list[tuple[float, Taken[Job]]] = []
        self.out: dict[int, int] = defaultdict(int)
        """Slots that each class fills."""
        self._ends: list[tuple[float, int, list[Taken[Job]]]] = []
        self._turns = count()

    @property
    def busy(self) -> bool:
        return bool(self._ends)

    @property
    def next_end(self) -> float:
        return self._ends[0][0]

    def running(self) -> list[Taken[Job]]:
        return [taken for _, _, chunk in self._ends for taken in chunk]

    def fill(self) -> None:
        while self.free and (chunk := self.share.take_chunk(self.chunk)):
            self.free -= 1
            self.out[chunk[0].entry.work_class] += 1
            for taken in chunk:
                self.started.append((self.now, taken))
                self.used[taken.tenant] += taken.entry.seconds
            ends_at = self.now + sum(taken.entry.seconds for taken in chunk)
            heapq.heappush(self._ends, (ends_at, next(self._turns), chunk))

    def step(self) -> None:
        """Let the next chunk end."""
        self.now, _, chunk = heapq.heappop(self._ends)
        for taken in chunk:
            self.share.complete(taken, taken.entry.seconds)
        self.out[chunk[0].entry.work_class] -= 1
        self.free += 1
