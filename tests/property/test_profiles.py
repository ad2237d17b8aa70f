"""The profiles side by side, on a virtual clock: what a flood does to a quiet tenant before and after each rule.

| scenario | what floods |
|---|---|
| burst | one tenant brings 4,000 jobs at once |
| stream | one brings twice what the slots can do, all the time |
| keys | one brings 4,000 jobs of as many keys |
| slow | one brings jobs of a second, the others of 10 ms |
| two floods | two bring 2,000 jobs each |
| crowd | twenty bring 200 jobs each |

The longest wait in seconds of the quiet tenant, whose job takes 10 ms twice a second, with 8 slots:

| scenario | first in, first out | fair | salesforce | bound | put back | moves between tiers |
|---|---|---|---|---|---|---|
| burst | 24.00 | 0.05 | 0.05 | 0.16 | 3,991 | 1 |
| stream | 19.56 | 0.04 | 0.02 | 0.16 | 12,791 | 1 |
| keys | 24.00 | 0.05 | 0.05 | 0.16 | 3,991 | 1 |
| slow | 36.00 | 0.58 | 0.51 | 3.12 | 291 | 1 |
| two floods | 24.00 | 0.05 | 0.05 | 0.16 | 1,991 | 0 |
| crowd | 24.00 | 0.13 | 0.13 | 0.28 | 191 | 0 |
"""

from __future__ import annotations

import heapq
from itertools import count

import msgspec
import pytest

from runtime.core.fair_share import FairShare, Taken
from runtime.core.fair_usage import FairUsage, Move
from runtime.core.flow_control import FlowControlledShare, make_share
from runtime.core.profile import FAIR, SALESFORCE, SchedulingProfile

SLOTS = 8
SECONDS = 40.0
QUIET = "quiet"
QUIET_EVERY = 0.5
ONE = "first in, first out"


class Job(msgspec.Struct, frozen=True):
    at: float
    tenant: str
    seconds: float
    key: str | None = None


def flood(tenant: str, jobs: int, seconds: float, *, keys: bool = False) -> list[Job]:
    return [Job(1.0, tenant, seconds, f"k{number}" if keys else None) for number in range(jobs)]


SCENARIOS: dict[str, list[Job]] = {
    "burst": flood("big", 4000, 0.05),
    "stream": [Job(number / 320, "big", 0.05) for number in range(int(320 * SECONDS))],
    "keys": flood("big", 4000, 0.05, keys=True),
    "slow": flood("big", 300, 1.0),
    "two floods": flood("one", 2000, 0.05) + flood("two", 2000, 0.05),
    "crowd": [job for number in range(20) for job in flood(f"t{number}", 200, 0.05)],
}


class Found(msgspec.Struct):
    """What became of the quiet tenant, and what the rules did to others."""

    waits: list[float]
    moves: list[Move]
    reenqueued: int
    idle_while_waiting: float
    """Slot time that stayed empty although something could have run."""


def run(jobs: list[Job], profile: SchedulingProfile, *, fair: bool = True) -> Found:
    """Run a scenario, with a quiet tenant that brings one job twice a second. Not fair: all jobs are one tenant's."""
    share: FairShare[Job] = make_share(profile.examined_entries, slots_per_entry=1, wake=lambda: None)
    usage = None if profile.tiers is None else FairUsage("service", profile.tiers)
    quiet = [Job(2.0 + number * QUIET_EVERY, QUIET, 0.01) for number in range(int((SECONDS - 4) / QUIET_EVERY))]
    turns = count()
    events: list[tuple[float, int, Job | Taken[Job] | None]] = [(job.at, next(turns), job) for job in jobs + quiet]
    events += [(float(second), next(turns), None) for second in range(int(SECONDS))]
    heapq.heapify(events)
    found, free, capped, now = Found([], [], 0, 0.0), SLOTS, set[str](), 0.0
    while events and events[0][0] < SECONDS:
        when, _, what = heapq.heappop(events)
        if free and len(share):
            found.idle_while_waiting += free * (when - now)
        now = when
        if isinstance(what, Job):
            share.push(what.tenant if fair else ONE, what.key, what)
        elif what is not None:
            share.complete(what, what.entry.seconds)
            free += 1
        elif usage is not None:
            found.moves += usage.observe(now, now, SLOTS, list(share.tenants()))
            caps = usage.caps(SLOTS)
            for tenant in caps.keys() | capped:
                share.set_cap(tenant, caps.get(tenant))
            capped = set(caps)
        while free and (taken := share.take()) is not None:
            free -= 1
            if taken.entry.tenant == QUIET:
                found.waits.append(now - taken.entry.at)
            heapq.heappush(events, (now + taken.entry.seconds, next(turns), taken))
    if isinstance(share, FlowControlledShare):
        found.reenqueued = share.reenqueued.total()
    return found


def bound(jobs: list[Job]) -> float:
    """The docs' bound on a quiet tenant's wait, with chunks of one."""
    others = len({job.tenant for job in jobs})
    return (others / SLOTS + 3) * max(job.seconds for job in jobs)


@pytest.mark.parametrize("name", SCENARIOS)
def test_first_in_first_out_makes_the_quiet_tenant_wait_longer_than_the_bound(name: str) -> None:
    found = run(SCENARIOS[name], FAIR, fair=False)
    assert max(found.waits) > bound(SCENARIOS[name])


@pytest.mark.parametrize("name", SCENARIOS)
def test_with_the_profile_fair_it_never_does_and_no_slot_stays_empty(name: str) -> None:
    found = run(SCENARIOS[name], FAIR)
    assert max(found.waits) <= bound(SCENARIOS[name])
    assert found.idle_while_waiting == 0.0
    assert not found.moves
    assert not found.reenqueued


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_profile_salesforce_keeps_to_the_bound_too(name: str) -> None:
    assert max(run(SCENARIOS[name], SALESFORCE).waits) <= bound(SCENARIOS[name])


def row(name: str) -> str:
    """A scenario's line of the table."""
    jobs = SCENARIOS[name]
    before, fair, salesforce = run(jobs, FAIR, fair=False), run(jobs, FAIR), run(jobs, SALESFORCE)
    waits = " | ".join(f"{max(found.waits):.2f}" for found in (before, fair, salesforce))
    return f"| {name} | {waits} | {bound(jobs):.2f} | {salesforce.reenqueued:,} | {len(salesforce.moves)} |"


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_table_tells_what_happens(name: str) -> None:
    assert __doc__ is not None
    assert row(name) in __doc__.splitlines()


def test_flow_control_puts_back_what_a_running_majority_brings() -> None:
    assert run(SCENARIOS["stream"], SALESFORCE).reenqueued > 1000


def test_a_tenant_that_dominates_while_another_has_a_backlog_moves_down_and_up_again() -> None:
    heavy = flood("heavy", 1200, 0.1)
    jobs = heavy + [Job(1.0, "light", 0.1, "one key") for _ in range(100)]
    moves = run(jobs, SALESFORCE).moves
    assert (moves[0].tenant, moves[0].from_tier, moves[0].to_tier) == ("heavy", 0, 1)
    assert all(move.slots > 0 for move in moves if move.to_tier > move.from_tier)
