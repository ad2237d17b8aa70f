"""The slots of an app under random services: nothing is stuck in the line, and what is kept stays for its class."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.core.slot_pool import SlotPool
from runtime.core.work_classes import WORK_CLASSES, WorkClass, kept_slots
from tests.property.cases import cases


class Runner:
    """A service with so many jobs, each of which fills `cost` slots."""

    def __init__(self, pool: SlotPool, work_class: int, cost: int, jobs: int) -> None:
        self.pool = pool
        self.work_class = work_class
        self.cost = cost
        self.waiting = jobs
        self.running = 0
        self.held = False
        self.woken = True

    def wake(self) -> None:
        self.woken = True

    def pump(self) -> None:
        self.woken = False
        while not self.held and self.waiting and self.pool.has_room(self.wake, self.cost, self.work_class):
            self.waiting -= 1
            self.running += 1
            self.pool.fill(self.wake, self.cost, self.work_class)
        if self.held or not self.waiting:
            self.pool.decline(self.wake)

    def end_one(self) -> None:
        self.running -= 1
        self.pool.free(self.cost, self.work_class)
        self.woken = True


def settle(runners: list[Runner]) -> None:
    while woken := [each for each in runners if each.woken]:
        woken[0].pump()


def filled(runners: list[Runner], work_class: int) -> int:
    return sum(each.running * each.cost for each in runners if each.work_class == work_class)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[SlotPool, list[Runner], int, dict[WorkClass, float]]:
    parts: dict[WorkClass, float] = draw(
        st.dictionaries(st.sampled_from(WORK_CLASSES), st.sampled_from([0.1, 0.2, 0.25]), max_size=4)
    )
    kinds = st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 6))
    services = draw(st.lists(kinds, min_size=1, max_size=6))
    total = draw(st.integers(max(cost for _, cost, _ in services), 12))
    costs = [max((cost for own, cost, _ in services if own == place), default=0) for place in range(4)]
    pool = SlotPool()
    pool.set_terms(total, parts, costs)
    return pool, [Runner(pool, *each) for each in services], total, parts


@settings(max_examples=cases(100), deadline=None)
@given(world=worlds(), data=st.data())
def test_every_job_ends_and_kept_slots_are_filled_by_their_class_alone(
    world: tuple[SlotPool, list[Runner], int, dict[WorkClass, float]], data: st.DataObject
) -> None:
    pool, runners, total, parts = world
    kept = kept_slots(total, parts) if pool.classes() else [0] * len(WORK_CLASSES)
    while True:
        settle(runners)
        counts = [filled(runners, place) for place in range(len(WORK_CLASSES))]
        assert pool.filled == sum(counts)
        assert sum(map(max, counts, kept)) <= total, "what is kept was given to others"
        for place, count in enumerate(counts):
            waiting = [each.cost for each in runners if each.work_class == place and each.waiting and not each.held]
            assert not waiting or count + max(waiting) > kept[place], "a slot kept for it stays empty although it waits"
        busy = [each for each in runners if each.running]
        if not busy:
            break
        data.draw(st.sampled_from(busy)).end_one()
        for each in runners:
            if each.held or data.draw(st.integers(0, 5)) == 0:
                each.held = not each.held
                each.woken = True
    for each in runners:
        each.held, each.woken = False, True
    while any(each.waiting or each.running for each in runners):
        settle(runners)
        next(each for each in runners if each.running).end_one()
