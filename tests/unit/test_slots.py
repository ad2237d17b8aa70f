"""Slots of a service, and of the whole process that several services share."""

from __future__ import annotations

import pytest

from runtime.core.slot_pool import SlotPool
from runtime.core.work_classes import LARGE, SMALL, UNKNOWN
from runtime.durable.slots import Slots


class Waker:
    def __init__(self, name: str, woken: list[str]) -> None:
        self.name = name
        self.woken = woken

    def __call__(self) -> None:
        self.woken.append(self.name)


@pytest.fixture
def woken() -> list[str]:
    return []


def make(
    name: str,
    woken: list[str],
    *,
    total: int = 4,
    cost: int = 1,
    pool: SlotPool | None = None,
    work_class: int = UNKNOWN,
) -> Slots:
    slots = Slots(total, cost, Waker(name, woken), work_class)
    slots.join(pool)
    slots.open()
    return slots


def test_as_many_are_free_as_the_cost_allows(woken: list[str]) -> None:
    slots = make("a", woken, total=10, cost=3)
    assert slots.room == 3
    assert {slots.take() for _ in range(3)} == {0, 1, 2}
    assert slots.room == 0


def test_a_lower_cap_stops_nothing_that_runs(woken: list[str]) -> None:
    slots = make("a", woken)
    taken = [slots.take() for _ in range(3)]
    slots.set_terms(2, None)
    assert slots.room == -1
    slots.give(taken.pop())
    assert slots.room == 0
    slots.give(taken.pop())
    assert slots.room == 1


def test_a_higher_cap_makes_more_slots_and_a_lower_one_lets_them_run_out(woken: list[str]) -> None:
    slots = make("a", woken, total=2)
    taken = [slots.take(), slots.take()]
    slots.set_terms(5, None)
    assert (slots.room, slots.filled) == (3, 2)
    taken += [slots.take() for _ in range(3)]
    assert sorted(taken) == [0, 1, 2, 3, 4]
    slots.set_terms(None, None)
    assert (slots.room, slots.filled, slots.limit) == (-3, 5, 2)
    for slot in taken:
        slots.give(slot)
    assert (slots.room, slots.filled) == (2, 0)


def test_a_cap_counts_as_many_slots_as_an_event_fills(woken: list[str]) -> None:
    slots = make("a", woken, total=6, cost=3)
    slots.set_terms(10, None)
    assert slots.room == 3


def test_slots_lent_while_the_cap_rises_and_falls_are_counted_once(woken: list[str]) -> None:
    slots = make("a", woken, total=2)
    mine, other = slots.take(), slots.take()
    slots.lend()
    slots.set_terms(4, None)
    assert (slots.room, slots.filled) == (3, 1)
    taken = [slots.take() for _ in range(3)]
    assert len({mine, other, *taken}) == 5
    slots.set_terms(1, None)
    assert (slots.room, slots.filled) == (-3, 4)
    for slot in (other, *taken):
        slots.give(slot)
    assert (slots.room, slots.filled) == (1, 0)
    slots.retake()
    assert (slots.room, slots.filled) == (0, 1)
    slots.give(mine)
    assert (slots.room, slots.filled) == (1, 0)


def test_a_held_service_has_no_room_until_it_is_released(woken: list[str]) -> None:
    slots = make("a", woken)
    slots.set_terms(None, "paused")
    assert slots.room == 0
    slots.set_terms(None, None)
    assert slots.room == 4


def test_a_closed_service_has_no_room_although_slots_come_back(woken: list[str]) -> None:
    slots = make("a", woken)
    taken = slots.take()
    slots.close()
    slots.give(taken)
    assert slots.room <= 0
    slots.open()
    assert slots.room == 4


def test_slots_that_were_never_given_back_are_free_in_the_next_life(woken: list[str]) -> None:
    pool = SlotPool(2)
    slots = make("a", woken, pool=pool)
    slots.take()
    slots.close()
    slots.end()
    slots.open()
    assert (slots.room, pool.filled) == (4, 0)


def test_services_share_the_slots_of_the_process_in_turn(woken: list[str]) -> None:
    pool = SlotPool(2)
    first, second, third = (make(name, woken, pool=pool) for name in "abc")
    assert first.in_turn()
    one = first.take()
    assert first.in_turn()
    first.take()
    assert not any(slots.in_turn() for slots in (second, third, first))
    first.give(one)
    assert woken == ["b"]
    assert not first.in_turn(), "who frees a slot must not take it before those in line"
    assert second.in_turn()
    second.take()
    assert pool.filled == 2


def test_who_has_nothing_to_run_lets_the_next_one_go(woken: list[str]) -> None:
    pool = SlotPool(1)
    first, second, third = (make(name, woken, pool=pool) for name in "abc")
    assert first.in_turn()
    taken = first.take()
    assert not second.in_turn()
    assert not third.in_turn()
    first.give(taken)
    second.decline()
    assert woken == ["b", "c"]
    assert third.in_turn()


@pytest.mark.parametrize("place", [0, 1])
def test_who_may_fill_nothing_any_more_holds_nobody_up(woken: list[str], place: int) -> None:
    pool = SlotPool(1)
    first, *others = (make(name, woken, pool=pool) for name in "abc")
    taken = first.take()
    assert not any(slots.in_turn() for slots in others)
    others[place].set_terms(None, "paused")
    first.give(taken)
    goes_on = others[1 - place]
    assert woken == ["c" if place == 0 else "b"]
    assert goes_on.in_turn()
    goes_on.give(goes_on.take())
    assert first.in_turn()


class TestClasses:
    """Two slots of four are kept for small services, which stand in no line of others."""

    def test_what_is_kept_for_a_class_is_filled_past_the_line_of_others(self, woken: list[str]) -> None:
        pool = SlotPool()
        pool.set_terms(4, {"small": 0.5})
        large, other, small = (
            make(name, woken, pool=pool, work_class=place) for name, place in (("l", LARGE), ("o", LARGE), ("s", SMALL))
        )
        taken = [take(large), take(large)]
        assert not other.in_turn()
        assert not large.in_turn()
        small_taken = [take(small), take(small)]
        assert not small.in_turn()
        small.give(small_taken.pop())
        assert woken == ["s"], "nobody else may fill it"
        take(small)
        large.give(taken.pop())
        assert woken == ["s", "o"], "who waited first"

    def test_who_needs_several_slots_that_all_may_fill_is_not_overtaken(self, woken: list[str]) -> None:
        pool = SlotPool()
        pool.set_terms(4, {"small": 0.25})
        wide = make("w", woken, total=8, cost=3, pool=pool, work_class=LARGE)
        one, small = (make(name, woken, pool=pool, work_class=place) for name, place in (("o", LARGE), ("s", SMALL)))
        taken = take(one)
        assert not wide.in_turn()
        take(small)
        assert not small.in_turn(), "its second slot is not kept for it"
        assert not one.in_turn()
        one.give(taken)
        assert woken == ["w"]
        assert wide.in_turn()

    def test_nothing_is_kept_where_an_event_would_never_find_its_slots(self, woken: list[str]) -> None:
        pool = SlotPool()
        pool.set_terms(4, {"small": 0.5}, [1, 0, 3, 0])
        wide = make("w", woken, total=8, cost=3, pool=pool, work_class=LARGE)
        assert wide.in_turn()
        assert pool.classes() == []

    def test_a_lowered_cap_holds_for_what_is_kept_too(self, woken: list[str]) -> None:
        pool = SlotPool()
        pool.set_terms(4, {"small": 0.25})
        large = make("l", woken, pool=pool, work_class=LARGE)
        small = make("s", woken, pool=pool, work_class=SMALL)
        for _ in range(3):
            take(large)
        pool.set_terms(2, {"small": 0.25})
        assert not small.in_turn()


def take(slots: Slots) -> int:
    assert slots.in_turn()
    return slots.take()


def test_a_service_that_joins_brings_what_it_fills(woken: list[str]) -> None:
    pool = SlotPool(3)
    slots = make("a", woken, cost=2)
    slots.take()
    slots.join(pool)
    assert pool.filled == 2
    slots.join(None)
    assert pool.filled == 0


def test_raising_the_cap_wakes_who_is_in_line(woken: list[str]) -> None:
    pool = SlotPool(1)
    slots = make("a", woken, pool=pool)
    assert slots.in_turn()
    slots.take()
    assert not slots.in_turn()
    pool.set_terms(2, {})
    assert woken == ["a"]
    assert slots.in_turn()
