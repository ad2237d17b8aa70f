"""Fair share under random tenants, weights, run times, keys and slots, on a virtual clock."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runtime.core import fair_share_heap, fair_share_idle
from runtime.core.fair_share import FairShare, Taken

LONGEST = 4.0
run_times = st.floats(min_value=0.001, max_value=LONGEST)
TENANTS = ("a", "b", "c", "d")
KEYS = (None, "k", "l")


class History:
    """The definition itself: a tenant's start tag as a fold over its past, with every charge as far as it is known."""

    def __init__(self) -> None:
        self.steps: list[float | int] = []
        self.charges: dict[int, float] = {}
        self.lifts: set[int] = set()

    def lift(self, virtual: float) -> None:
        self.lifts.add(len(self.steps))
        self.steps.append(virtual)

    def charge(self, entry: int, charge: float) -> None:
        self.steps.append(entry)
        self.charges[entry] = charge

    def tag(self) -> float:
        tag = 0.0
        for place, step in enumerate(self.steps):
            tag = max(tag, step) if place in self.lifts else tag + self.charges[int(step)]
        return tag


class FairShareMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.share: FairShare[int] = FairShare(default_estimate_seconds=1.0)
        self.entries = count()
        self.weights: dict[str, float] = {}
        self.histories: dict[str, History] = defaultdict(History)
        self.waiting: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        self.out: list[Taken[int]] = []
        self.caps: dict[str, int | None] = {}
        self.holds: set[tuple[str, str]] = set()
        self.virtual_time = 0.0
        self.patch = pytest.MonkeyPatch()

    @initialize(kept=st.sampled_from([1, 256]), stale=st.sampled_from([0, 64]))
    def choose_how_lazy_it_is(self, kept: int, stale: int) -> None:
        self.patch.setattr(fair_share_idle, "IDLE_KEPT", kept)
        self.patch.setattr(fair_share_heap, "STALE_KEPT", stale)

    def runnable(self, tenant: str) -> bool:
        if any(held == tenant for held, _ in self.holds):
            return False
        cap = self.caps.get(tenant)
        if cap is not None and self.filled(tenant) >= cap:
            return False
        held = {taken.key for taken in self.out if taken.tenant == tenant and taken.key is not None}
        return any(self.waiting[tenant, key] for key in KEYS if key not in held)

    def filled(self, tenant: str) -> int:
        return sum(taken.slots for taken in self.out if taken.tenant == tenant)

    def change(self, tenant: str, how: Callable[[], None]) -> None:
        before = self.runnable(tenant)
        how()
        if self.runnable(tenant) and not before:
            self.histories[tenant].lift(self.share.virtual_time)

    @rule(tenant=st.sampled_from(TENANTS), slots=st.sampled_from([None, 1, 2]))
    def cap(self, tenant: str, slots: int | None) -> None:
        def how() -> None:
            self.share.set_cap(tenant, slots)
            self.caps[tenant] = slots

        self.change(tenant, how)

    @rule(tenant=st.sampled_from(TENANTS), reason=st.sampled_from(["paused", "breaker"]))
    def hold(self, tenant: str, reason: str) -> None:
        self.share.hold(tenant, reason)
        self.holds.add((tenant, reason))

    @rule(tenant=st.sampled_from(TENANTS), reason=st.sampled_from(["paused", "breaker"]))
    def release(self, tenant: str, reason: str) -> None:
        def how() -> None:
            self.share.release(tenant, reason)
            self.holds.discard((tenant, reason))

        self.change(tenant, how)

    @rule(tenant=st.sampled_from(TENANTS), weight=st.sampled_from([0.5, 1.0, 3.0]))
    def weigh(self, tenant: str, weight: float) -> None:
        if tenant not in self.histories:
            self.weights[tenant] = weight
            self.share.set_weight(tenant, weight)

    @rule(tenant=st.sampled_from(TENANTS), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=6))
    def push(self, tenant: str, keys: list[str | None]) -> None:
        for key in keys:
            before = self.runnable(tenant)
            entry = next(self.entries)
            self.share.push(tenant, key, entry)
            self.waiting[tenant, key].append(entry)
            if self.runnable(tenant) and not before:
                self.histories[tenant].lift(self.share.virtual_time)

    def note_taken(self, taken: Taken[int]) -> None:
        assert taken.entry == self.waiting[taken.tenant, taken.key].pop(0), "out of order in its key"
        self.histories[taken.tenant].charge(taken.entry, taken.charge)
        self.out.append(taken)

    @rule()
    def take(self) -> None:
        runnable = {tenant for tenant in TENANTS if self.runnable(tenant)}
        lowest = min((self.histories[tenant].tag() for tenant in runnable), default=0.0)
        taken = self.share.take()
        assert (taken is None) == (not runnable), "not work-conserving"
        if taken is not None:
            assert self.histories[taken.tenant].tag() <= lowest + 1e-9
            held = {(each.tenant, each.key) for each in self.out if each.key is not None}
            assert (taken.tenant, taken.key) not in held, "two of one key at once"
            self.note_taken(taken)

    @rule(limit=st.integers(1, 5))
    def take_chunk(self, limit: int) -> None:
        held = {(each.tenant, each.key) for each in self.out if each.key is not None}
        runnable = any(self.runnable(tenant) for tenant in TENANTS)
        chunk = self.share.take_chunk(limit)
        assert bool(chunk) == runnable
        assert sum(taken.slots for taken in chunk) == bool(chunk), "a chunk fills one slot"
        assert len(chunk) <= limit
        assert len({taken.tenant for taken in chunk}) <= 1
        assert not held & {(taken.tenant, taken.key) for taken in chunk}
        for taken in chunk:
            self.note_taken(taken)
        if chunk and len(chunk) < limit:
            self.caps[chunk[0].tenant], cap = None, self.caps.get(chunk[0].tenant)
            assert not self.runnable(chunk[0].tenant), "a chunk left room and runnable entries"
            self.caps[chunk[0].tenant] = cap

    @precondition(lambda self: self.out)
    @rule(data=st.data(), seconds=run_times)
    def complete(self, data: st.DataObject, seconds: float) -> None:
        taken = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        tenant = taken.tenant
        self.out.append(taken)
        before = self.runnable(tenant)
        virtual = self.share.virtual_time
        self.share.complete(taken, seconds)
        self.out.pop()
        self.histories[tenant].charges[taken.entry] = seconds / self.weights.get(tenant, 1.0)
        if self.runnable(tenant) and not before:
            self.histories[tenant].lift(virtual)

    @invariant()
    def parts_agree(self) -> None:
        self.share.validate()
        assert len(self.share) == sum(map(len, self.waiting.values()))
        assert self.share.running == len(self.out)
        assert self.share.virtual_time >= self.virtual_time, "time went back"
        self.virtual_time = self.share.virtual_time

    @invariant()
    def tags_are_as_if_every_known_run_time_had_been_known_at_dispatch(self) -> None:
        for each in self.share.tenants():
            assert each.slots == self.filled(each.tenant)
            least = 0.0 if self.runnable(each.tenant) else self.share.virtual_time  # it will be lifted to that
            assert abs(max(each.start_tag, least) - max(self.histories[each.tenant].tag(), least)) < 1e-9
            assert each.waiting == sum(len(self.waiting[each.tenant, key]) for key in KEYS)
            assert each.running == sum(taken.tenant == each.tenant for taken in self.out)

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            self.patch.undo()

    def drain(self) -> None:
        for tenant, reason in self.holds:
            self.share.release(tenant, reason)
        while self.out or len(self.share):
            while (taken := self.share.take()) is not None:
                self.note_taken(taken)
            self.share.complete(self.out.pop(0), 0.5)
            self.share.validate()
        assert not any(self.waiting.values()), "something was lost"


TestFairShareMachine = FairShareMachine.TestCase
TestFairShareMachine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


class Slots:
    """Slots on a virtual clock that never stay free while something is runnable."""

    def __init__(self, share: FairShare[float], slots: int, chunk: int) -> None:
        self.share = share
        self.free = slots
        self.chunk = chunk
        self.now = 0.0
        self.dispatched: list[tuple[float, Taken[float]]] = []
        self.used: dict[str, float] = defaultdict(float)
        self.ends: list[tuple[float, int, list[Taken[float]]]] = []
        self.turns = count()

    def fill(self) -> None:
        while self.free and (chunk := self.share.take_chunk(self.chunk)):
            self.free -= 1
            for taken in chunk:
                self.dispatched.append((self.now, taken))
                self.used[taken.tenant] += taken.entry
            heapq.heappush(self.ends, (self.now + chunk[0].entry, next(self.turns), chunk))

    def step(self) -> None:
        self.fill()
        self.now, _, chunk = heapq.heappop(self.ends)
        self.share.complete(chunk[0], chunk[0].entry)
        if len(chunk) > 1:
            heapq.heappush(self.ends, (self.now + chunk[1].entry, next(self.turns), chunk[1:]))
        else:
            self.free += 1


@settings(max_examples=60, deadline=None)
@given(
    first=st.lists(run_times, min_size=1, max_size=20),
    second=st.lists(run_times, min_size=1, max_size=20),
    others=st.lists(run_times, max_size=5),
    weights=st.tuples(st.sampled_from([0.25, 1.0, 4.0]), st.sampled_from([1.0, 2.0])),
    slots=st.integers(1, 6),
    chunk=st.integers(1, 3),
    start=st.integers(0, 10),
)
def test_two_backlogged_tenants_share_slot_time_by_weight_within_the_bound(
    first: list[float],
    second: list[float],
    others: list[float],
    weights: tuple[float, float],
    slots: int,
    chunk: int,
    start: int,
) -> None:
    share: FairShare[float] = FairShare(default_estimate_seconds=1.0)
    share.set_weight("first", weights[0])
    share.set_weight("second", weights[1])
    run = Slots(share, slots, chunk)
    for index in range(start):  # someone else's time goes by, and a part of the first tenant's
        share.push("first" if index % 3 else "other", None, (others or [1.0])[index % max(1, len(others))])
    run.fill()
    for index in range(400):
        share.push("first", None, first[index % len(first)])
        share.push("second", None, second[index % len(second)])
        share.push("third", f"{index % 3}", 1.0)
    run.used.clear()
    bound = 2 * slots * chunk * max(LONGEST / weights[0], LONGEST / weights[1])
    while share.depth("first") and share.depth("second"):
        gap = run.used["first"] / weights[0] - run.used["second"] / weights[1]
        assert abs(gap) <= bound + 1e-9
        run.step()
        share.validate()


@settings(max_examples=60, deadline=None)
@given(
    busy=st.lists(st.lists(run_times, min_size=1, max_size=5), min_size=1, max_size=8),
    slots=st.integers(1, 6),
    chunk=st.integers(1, 3),
    steps=st.integers(0, 60),
    weight=st.sampled_from([0.01, 1.0]),
)
def test_a_quiet_tenant_waits_no_longer_than_the_bound_whatever_is_queued(
    busy: list[list[float]], slots: int, chunk: int, steps: int, weight: float
) -> None:
    share: FairShare[float] = FairShare(default_estimate_seconds=1.0)
    run = Slots(share, slots, chunk)
    share.set_weight("quiet", weight)
    for number, times in enumerate(busy):
        for index in range(200):
            share.push(f"busy{number}", None, times[index % len(times)])
    for _ in range(steps):
        run.step()
    run.fill()
    pushed_at = run.now
    share.push("quiet", None, 1.0)
    while share.depth("quiet"):
        run.step()
        run.fill()
    assert run.now - pushed_at <= (len(busy) / slots + 3) * LONGEST * chunk + 1e-9


@settings(max_examples=30, deadline=None)
@given(
    pushes=st.lists(st.tuples(st.sampled_from(TENANTS), st.sampled_from(KEYS), run_times), max_size=80),
    slots=st.integers(1, 5),
    chunk=st.integers(1, 4),
)
def test_every_entry_runs_exactly_once_and_a_key_runs_one_at_a_time_in_order(
    pushes: list[tuple[str, str | None, float]], slots: int, chunk: int
) -> None:
    share: FairShare[float] = FairShare()
    run = Slots(share, slots, chunk)
    for tenant, key, seconds in pushes:
        share.push(tenant, key, seconds)
    run.fill()
    while run.ends:
        holders = [(c[0].tenant, c[0].key) for _, _, c in run.ends if c[0].key is not None]
        assert len(holders) == len(set(holders))
        assert run.free == 0 or share.take() is None
        run.step()
        run.fill()
    assert len(share) == share.running == 0
    for tenant in TENANTS:
        for key in KEYS:
            wanted = [seconds for *owner, seconds in pushes if owner == [tenant, key]]
            assert wanted == [t.entry for _, t in run.dispatched if (t.tenant, t.key) == (tenant, key)]
