"""Slots on a virtual clock, tenants that come and go, and what each would get if slots could be cut into any pieces."""

from __future__ import annotations

import heapq
from collections import defaultdict
from itertools import count
from random import Random

import msgspec

from runtime.core.fair_share import FairShare, Taken

HORIZON_SECONDS = 30.0
SLOTS = 8
RUN_SECONDS = (0.001, 0.01, 0.1)
WEIGHTS = (1.0, 2.0, 5.0)
SPLIT = "split"
"""The tenant whose backlog lies under keys."""
KEYS = 10_000


class Arrival(msgspec.Struct, frozen=True):
    """Jobs that a tenant brings at one moment."""

    at: float
    tenant: str
    seconds: list[float]


class Scenario(msgspec.Struct, frozen=True):
    weights: dict[str, float]
    arrivals: list[Arrival]


def scenario(seed: int) -> Scenario:
    """Three tenants with a backlog, one more that splits its own, and up to six that come and go."""
    random = Random(seed)
    weights = {f"steady-{number}": random.choice(WEIGHTS) for number in range(3)} | {SPLIT: random.choice(WEIGHTS)}
    steady = set(weights)
    arrivals = [
        Arrival(0.0, name, _jobs(random, SLOTS * HORIZON_SECONDS, KEYS if name == SPLIT else 0))
        for name in sorted(steady)
    ]
    for number in range(random.randint(2, 6)):
        name = f"guest-{number}"
        weights[name] = random.choice(WEIGHTS)
        for _ in range(random.randint(1, 4)):
            at = random.uniform(0.0, HORIZON_SECONDS / 2)
            arrivals.append(Arrival(at, name, _jobs(random, random.uniform(0.1, 6.0))))
    return Scenario(weights, sorted(arrivals, key=lambda arrival: arrival.at))


def _jobs(random: Random, work_seconds: float, least: int = 0) -> list[float]:
    """Jobs of so much run time in all, and so many at least. A tenant's mix is its own."""
    mix = [random.uniform(0.05, 1.0) for _ in RUN_SECONDS]
    jobs: list[float] = []
    while work_seconds > 0.0 or len(jobs) < least:
        jobs.append(random.choices(RUN_SECONDS, mix)[0])
        work_seconds -= jobs[-1]
    return jobs


def fluid_shares(scenario: Scenario) -> dict[str, float]:
    """Weighted max-min shares: at every moment slots are divided by weight among those that have work left."""
    left: dict[str, float] = defaultdict(float)
    used: dict[str, float] = defaultdict(float)
    arrivals = list(reversed(scenario.arrivals))
    now = 0.0
    while now < HORIZON_SECONDS:
        while arrivals and arrivals[-1].at <= now:
            arrival = arrivals.pop()
            left[arrival.tenant] += sum(arrival.seconds)
        until = arrivals[-1].at if arrivals else HORIZON_SECONDS
        total = sum(scenario.weights[name] for name in left)
        rates = {name: SLOTS * scenario.weights[name] / total for name in left}
        step = min([until - now, *(left[name] / rate for name, rate in rates.items())])
        for name, rate in rates.items():
            used[name] += step * rate
            left[name] -= step * rate
            if left[name] <= 1e-9:
                del left[name]
        now = max(now + step, until) if not rates else now + step
    return used


class Runnable:
    """How many entries could start, known without the scheduler: those of a key do so one at a time."""

    def __init__(self) -> None:
        self.count = 0
        self._behind: dict[str, int] = {}
        """For each key of which one is ready or out: how many more wait."""

    def came(self, key: str | None) -> None:
        if key in self._behind:
            self._behind[key] += 1
            return
        if key is not None:
            self._behind[key] = 0
        self.count += 1

    def started(self) -> None:
        self.count -= 1

    def ended(self, key: str | None) -> None:
        if key is None:
            return
        if self._behind[key]:
            self._behind[key] -= 1
            self.count += 1
        else:
            del self._behind[key]


class World:
    """Runs a scenario, checking at every instant that no slot is empty while something is runnable."""

    def __init__(self, scenario: Scenario) -> None:
        self.share: FairShare[float] = FairShare()
        for name, weight in scenario.weights.items():
            self.share.set_weight(name, weight)
        self.used: dict[str, float] = defaultdict(float)
        self._free = SLOTS
        self._runnable = Runnable()
        self._events: list[tuple[float, int, Arrival | Taken[float]]] = []
        self._turns = count()
        for arrival in scenario.arrivals:
            self._at(arrival.at, arrival)

    def run(self) -> dict[str, float]:
        """The slot time that each tenant used."""
        while self._events and self._events[0][0] < HORIZON_SECONDS:
            now = self._events[0][0]
            while self._events and self._events[0][0] <= now:
                self._happen(heapq.heappop(self._events)[2])
            self._fill(now)
            assert not (self._free and self._runnable.count), f"at {now} s a slot is empty while something is runnable"
        return self.used

    def _at(self, when: float, what: Arrival | Taken[float]) -> None:
        heapq.heappush(self._events, (when, next(self._turns), what))

    def _happen(self, what: Arrival | Taken[float]) -> None:
        if isinstance(what, Arrival):
            for number, seconds in enumerate(what.seconds):
                key = f"key-{number % KEYS}" if what.tenant == SPLIT else None
                self.share.push(what.tenant, key, seconds)
                self._runnable.came(key)
        else:
            self.share.complete(what, what.entry)
            self._runnable.ended(what.key)
            self._free += 1

    def _fill(self, now: float) -> None:
        while self._free and (taken := self.share.take()) is not None:
            self._free -= 1
            self._runnable.started()
            self.used[taken.tenant] += min(taken.entry, HORIZON_SECONDS - now)
            self._at(now + taken.entry, taken)
