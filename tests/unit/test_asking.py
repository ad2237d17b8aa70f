"""Where too many tenants are short of slots to ask for all of them, each has its turn."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from runtime.core.asking import Asking
from runtime.core.division import TURN_SECONDS
from runtime.core.interleave import interleave


class Short:
    """Tenants that are short, in the order in which they are looked at."""

    def __init__(self, count: int) -> None:
        self.tenants = [f"t{number}" for number in range(count)]
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        for tenant in self.tenants.copy():
            self.read += 1
            self.tenants.remove(tenant)
            self.tenants.append(tenant)
            yield tenant

    def choose(self, asking: Asking, now: float, divided: Collection[str] = ()) -> list[str]:
        return sorted(asking.choose(self, self.tenants.__contains__, divided, now))


def test_as_long_as_there_is_room_all_are_asked_for_and_stay() -> None:
    asking, short = Asking(3), Short(3)
    assert [short.choose(asking, now) for now in (0.0, 10.0)] == [["t0", "t1", "t2"]] * 2


def test_each_has_a_turn_and_gives_way_until_what_it_held_is_given_back() -> None:
    asking, short = Asking(2), Short(5)
    assert short.choose(asking, 0.0) == ["t0", "t1"]
    assert short.choose(asking, TURN_SECONDS / 2) == ["t0", "t1"]
    assert short.choose(asking, TURN_SECONDS, divided=["t0"]) == ["t2", "t3"]
    assert [asking.is_resting(f"t{number}") for number in range(3)] == [True, False, False]
    assert short.choose(asking, TURN_SECONDS * 2, divided=["t0", "t2"]) == ["t0", "t4"]
    assert [asking.is_resting(f"t{number}") for number in range(3)] == [False, False, True]


def test_who_is_short_no_more_makes_room_at_once() -> None:
    asking, short = Asking(2), Short(3)
    short.choose(asking, 0.0)
    short.tenants.remove("t1")
    assert short.choose(asking, 0.1) == ["t0", "t2"]


def test_no_more_are_looked_at_than_there_is_room_for() -> None:
    asking, short = Asking(2), Short(1000)
    short.choose(asking, 0.0)
    short.choose(asking, 0.1)
    assert short.read == 2


@pytest.mark.parametrize("tenants", [1, 7, 50])
def test_everyone_has_a_turn_within_as_many_as_that_takes(tenants: int) -> None:
    asking, short = Asking(4), Short(tenants)
    turns = [short.choose(asking, turn * TURN_SECONDS) for turn in range(-(-tenants // 4))]
    assert {tenant for turn in turns for tenant in turn} == set(short.tenants)


def test_iterables_are_interleaved() -> None:
    assert list(interleave(["abc", "", "d", "ef"])) == ["a", "d", "e", "b", "f", "c"]
    assert list(interleave([])) == []
