"""Classes of work under random arrivals: what is kept stays free for its class, nothing is lost, shares stay fair."""

from __future__ import annotations

import random
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runtime.core.class_slots import ClassSlots
from runtime.core.fair_share_tenant import Taken
from runtime.core.slot_account import SlotAccount
from runtime.core.work_classes import LARGE, MEDIUM, SMALL, UNKNOWN, WORK_CLASSES, WorkClass, kept_slots
from tests.property.cases import cases
from tests.property.classed_world import Job, SlotWorld, classed

TENANTS = ("a", "b", "c")
KEYS = (None, "k", "l")
CLASSES = range(len(WORK_CLASSES))


@st.composite
def guarantees(draw: st.DrawFn) -> dict[WorkClass, float]:
    """Parts that come to less than all of the slots, or to all if every class has one."""
    names = draw(st.lists(st.sampled_from(WORK_CLASSES), unique=True))
    weights = [draw(st.integers(1, 10)) for _ in names]
    rest = 0 if len(names) == len(WORK_CLASSES) and draw(st.booleans()) else draw(st.integers(1, 10))
    return {name: weight / (sum(weights) + rest) for name, weight in zip(names, weights, strict=True)}


@given(total=st.integers(1, 200), parts=guarantees())
def test_every_class_can_always_run_something_and_has_its_part_where_that_is_a_slot(
    total: int, parts: dict[WorkClass, float]
) -> None:
    kept = kept_slots(total, parts)
    assert sum(kept) <= total
    assert all(kept) or sum(kept) < total
    for name, slots in zip(WORK_CLASSES, kept, strict=True):
        assert slots >= int(parts.get(name, 0.0) * total * (1 - 1e-9))
        assert slots <= max(1, parts.get(name, 0.0) * total + 1e-6)


@given(total=st.integers(1, 20), parts=guarantees(), steps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3))))
def test_the_slots_of_classes_are_counted_in_any_amounts(
    total: int, parts: dict[WorkClass, float], steps: list[tuple[int, int]]
) -> None:
    slots = ClassSlots()
    slots.set_terms(total, parts)
    for number, many in steps:
        if slots.may_fill(number, many):
            slots.fill(number, many)
        elif slots.filled[number] >= many:
            slots.free(number, many)
        slots.validate()
        assert sum(map(max, slots.filled, slots.kept)) <= total, "what is kept was given to others"


class ClassedMachine(RuleBasedStateMachine):
    """Whatever comes, ends and is set: who may fill a slot does, in the order of its key, and nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count()
        self.waiting: dict[tuple[str, str | None], list[Job]] = {(t, k): [] for t in TENANTS for k in KEYS}
        self.out: list[Taken[Job]] = []
        self.caps: dict[str, int | None] = {}
        self.held: set[str] = set()
        self.held_keys: set[tuple[str, str]] = set()
        self.parts: dict[WorkClass, float] = {}

    @initialize(total=st.integers(2, 8), parts=guarantees(), flow=st.sampled_from([None, None, 4]))
    def open(self, total: int, parts: dict[WorkClass, float], flow: int | None) -> None:
        self.total = total
        self.parts = parts
        self.flow = flow is not None
        self.share = classed(total, parts, examined=flow)
        self.account = SlotAccount("a")
        self.share.charge_to("a", self.account)

    def filled(self, work_class: int) -> int:
        return sum(taken.slots for taken in self.out if taken.entry.work_class == work_class)

    def of_tenant(self, tenant: str) -> int:
        return sum(taken.slots for taken in self.out if taken.tenant == tenant)

    def may_run(self, work_class: int) -> bool:
        kept = kept_slots(self.total, self.parts)
        filled = [self.filled(each) for each in CLASSES]
        spare = self.total - sum(map(max, filled, kept))
        return filled[work_class] < kept[work_class] or spare > 0

    def runnable(self) -> list[Job]:
        """The first of each key, or all without one, that nothing holds back."""
        found = []
        for (tenant, key), jobs in self.waiting.items():
            cap = self.caps.get(tenant)
            full = cap is not None and self.of_tenant(tenant) >= cap
            full = full or (tenant == "a" and not self.account.has_room(1))
            busy = key is not None and (
                (tenant, key) in self.held_keys or any((o.tenant, o.key) == (tenant, key) for o in self.out)
            )
            if not (full or busy or tenant in self.held):
                found += [job for job in (jobs if key is None else jobs[:1]) if self.may_run(job.work_class)]
        return found

    @rule(
        tenant=st.sampled_from(TENANTS),
        jobs=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(CLASSES)), min_size=1, max_size=6),
    )
    def push(self, tenant: str, jobs: list[tuple[str | None, int]]) -> None:
        for key, work_class in jobs:
            job = Job(next(self.numbers), work_class, 1.0)
            self.waiting[tenant, key].append(job)
            self.share.push(tenant, key, job)

    @rule(limit=st.integers(1, 3))
    def take(self, limit: int) -> None:
        room = self.total - len([taken for taken in self.out if taken.slots])
        if room <= 0:
            return
        runnable = self.runnable()
        held = {(taken.tenant, taken.key) for taken in self.out if taken.key is not None}
        assert (self.share.next_tag() is not None) == bool(runnable)
        chunk = self.share.take_chunk(limit)
        assert bool(chunk) == bool(runnable), "a slot stays empty, or is filled that must not be"
        if not chunk:
            return
        assert chunk[0].entry in runnable
        assert len({(taken.tenant, taken.entry.work_class) for taken in chunk}) == 1
        assert not held & {(taken.tenant, taken.key) for taken in chunk}
        for taken in chunk:
            place = self.waiting[taken.tenant, taken.key]
            assert taken.key is None or place[0] is taken.entry, "out of order in its key"
            place.remove(taken.entry)
            assert self.share.out_as(taken) == taken.entry.work_class
            self.out.append(taken)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), seconds=st.floats(0.0, 1.0))
    def complete(self, data: st.DataObject, seconds: float) -> None:
        taken = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.share.complete(taken, seconds)

    @precondition(lambda self: any(taken.key for taken in self.out))
    @rule()
    def come_back_later(self) -> None:
        """One that is out waits for something, and keeps its key."""
        taken = next(taken for taken in self.out if taken.key)
        key = str(taken.key)
        if len([each for each in self.out if (each.tenant, each.key) == (taken.tenant, key)]) > 1:
            return
        self.share.hold_key(taken.tenant, key, [taken.entry])
        self.held_keys.add((taken.tenant, key))
        self.out.remove(taken)
        self.waiting[taken.tenant, key].insert(0, taken.entry)
        self.share.complete(taken, 0.5)

    @precondition(lambda self: self.held_keys)
    @rule(first=st.booleans())
    def resume(self, *, first: bool) -> None:
        tenant, key = min(self.held_keys)
        self.held_keys.remove((tenant, key))
        self.share.resume_key(tenant, key, first=first)

    @rule(tenant=st.sampled_from(TENANTS), slots=st.sampled_from([None, 1, 2]))
    def cap(self, tenant: str, slots: int | None) -> None:
        self.caps[tenant] = slots
        self.share.set_cap(tenant, slots)

    @rule(slots=st.sampled_from([1, 3, 100]))
    def cap_account(self, slots: int) -> None:
        self.account.set_cap(slots)

    @rule(tenant=st.sampled_from(TENANTS))
    def hold(self, tenant: str) -> None:
        self.held ^= {tenant}
        (self.share.hold if tenant in self.held else self.share.release)(tenant, "paused")

    @rule(total=st.integers(2, 8), parts=guarantees())
    def change(self, total: int, parts: dict[WorkClass, float]) -> None:
        self.total, self.parts = total, parts
        self.share.set_classes(total, parts)

    @rule(work_class=st.sampled_from(CLASSES))
    def withdraw(self, work_class: int) -> None:
        gone = self.share.withdraw(lambda job: job.work_class == work_class and job.number % 2 == 0)
        for place, jobs in self.waiting.items():
            own = [job for job in jobs if job.work_class == work_class and job.number % 2 == 0]
            if place[1] is not None:
                assert [job for job in gone if job in own] == own, "out of order in its key"
            self.waiting[place] = [job for job in jobs if job not in own]
            gone = [job for job in gone if job not in own]
        assert not gone

    @rule()
    def start_a_new_life(self) -> None:
        """What runs is forgotten, and what waits is pushed again."""
        self.share = self.share.successor()
        self.out.clear()
        self.held_keys.clear()
        for (tenant, key), jobs in self.waiting.items():
            for job in jobs:
                self.share.push(tenant, key, job)

    @invariant()
    def parts_agree(self) -> None:
        self.share.validate()
        assert len(self.share) == sum(map(len, self.waiting.values()))
        assert self.share.running == len(self.out)
        for tenant in TENANTS:
            own = sum(len(jobs) for (owner, _), jobs in self.waiting.items() if owner == tenant)
            assert self.share.depth(tenant) == own
        for number, standing in enumerate(self.share.classes()):
            assert standing.filled == self.filled(number)
            waiting = sum(job.work_class == number for jobs in self.waiting.values() for job in jobs)
            assert self.flow or standing.waiting == waiting
            room = self.total - sum(self.filled(each) for each in CLASSES)
            assert room <= 0 or (standing.most > standing.filled) == self.may_run(number)

    def teardown(self) -> None:
        for tenant in self.held:
            self.share.release(tenant, "paused")
        self.held.clear()
        for tenant, key in self.held_keys:
            self.share.resume_key(tenant, key)
        self.held_keys.clear()
        self.account.set_cap(100)
        self.change(8, self.parts)
        while self.out or len(self.share):
            self.take(2)
            if self.out:
                self.share.complete(self.out.pop(0), 0.5)
            self.share.validate()
        assert not any(self.waiting.values()), "something was lost"


TestClassedMachine = ClassedMachine.TestCase
TestClassedMachine.settings = settings(max_examples=cases(60), stateful_step_count=50, deadline=None)


@settings(max_examples=cases(60), deadline=None)
@given(
    total=st.integers(2, 16),
    parts=guarantees(),
    chunk=st.integers(1, 3),
    quick=st.sampled_from([SMALL, MEDIUM, UNKNOWN]),
    count_=st.integers(1, 6),
)
def test_a_class_below_its_guarantee_starts_at_once_however_much_long_work_there_is(
    total: int, parts: dict[WorkClass, float], chunk: int, quick: int, count_: int
) -> None:
    kept = kept_slots(total, parts)[quick]
    world = SlotWorld(classed(total, parts), total, chunk)
    for number in range(200):
        world.share.push("big", None, Job(number, LARGE, 3600.0))
    world.fill()
    for number in range(min(count_, kept)):
        world.share.push(f"quiet-{number}", None, Job(1000 + number, quick, 0.01))
        before = len(world.started)
        world.fill()
        assert [taken.tenant for _, taken in world.started[before:]] == [f"quiet-{number}"]
    assert world.out[LARGE] <= total - sum(k for c, k in enumerate(kept_slots(total, parts)) if c != LARGE)


def shares_of(world: SlotWorld, seconds: float) -> dict[str, float]:
    world.fill()
    while world.busy and world.next_end < seconds:
        world.step()
        world.fill()
    total = sum(world.used.values())
    return {tenant: used / total for tenant, used in world.used.items()}


@pytest.mark.parametrize("seed", range(cases(5)))
def test_tenants_share_all_slots_by_weight_where_no_class_is_full(seed: int) -> None:
    """Four tenants with work of different classes, one of all of them."""
    chance = random.Random(seed)
    world = SlotWorld(classed(16, {"small": 0.125, "medium": 0.125}), 16)
    weights = {name: chance.choice([1.0, 2.0]) for name in ("small", "large", "mixed", "medium")}
    classes = {"small": [SMALL], "large": [LARGE], "medium": [MEDIUM], "mixed": [SMALL, MEDIUM, LARGE]}
    numbers = count()
    for name, weight in weights.items():
        world.share.set_weight(name, weight)
        for _ in range(8_000):
            job = Job(next(numbers), chance.choice(classes[name]), chance.choice([0.01, 0.1]))
            world.share.push(name, None, job)
    got = shares_of(world, 25.0)
    for name, weight in weights.items():
        assert got[name] == pytest.approx(weight / sum(weights.values()), rel=0.03), (seed, name)


def test_where_a_class_is_full_its_tenants_share_what_it_may_fill_and_the_others_the_rest() -> None:
    world = SlotWorld(classed(16, {"small": 0.25}), 16)
    numbers = count()
    for number in range(100):
        for _ in range(200):
            world.share.push(f"large-{number}", None, Job(next(numbers), LARGE, 0.1 + 0.1 * (number % 2)))
    for _ in range(20_000):
        world.share.push("small", None, Job(next(numbers), SMALL, 0.01))
    world.fill()
    while world.now < 40.0:
        world.step()
        world.fill()
    used = dict(world.used)
    assert used["small"] == pytest.approx(4 * 40.0, rel=0.02), "what is kept for it, and no more"
    large = [used[f"large-{number}"] for number in range(100)]
    assert max(large) - min(large) <= 4 * 0.2

    world.share.push("late-large", None, Job(next(numbers), LARGE, 0.1))
    world.share.push("late-small", None, Job(next(numbers), SMALL, 0.01))
    assert wait(world, "late-small") <= 3 * 0.01
    assert wait(world, "late-large") <= (100 / 12 + 3) * 0.2

    world.share.withdraw(lambda job: job.work_class == SMALL)
    world.share.push("small", None, Job(next(numbers), LARGE, 0.1))
    assert wait(world, "small") <= (100 / 12 + 3) * 0.2, "it still owes what it was given of the slots kept for it"


def wait(world: SlotWorld, tenant: str) -> float:
    """For how long a tenant has something that waits."""
    asked_at = world.now
    world.fill()
    while world.share.depth(tenant):
        world.step()
        world.fill()
    return world.now - asked_at
