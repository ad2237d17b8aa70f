"""Tests are dealt to the processes that run them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.dealing import dealt

GROUPS = st.lists(st.integers(1, 9), max_size=40)


def numbered(sizes: list[int]) -> list[list[int]]:
    numbers = iter(range(sum(sizes)))
    return [[next(numbers) for _ in range(size)] for size in sizes]


def parts(items: list[int], workers: int) -> list[list[int]]:
    """As `--dist worksteal` divides them."""
    rest = list(items)
    sizes = (len(rest) // left for left in range(workers, 0, -1))
    return [[rest.pop(0) for _ in range(size)] for size in sizes]


@given(GROUPS, st.integers(1, 6))
def test_every_test_is_dealt_once(sizes: list[int], workers: int) -> None:
    assert sorted(dealt(numbered(sizes), workers)) == list(range(sum(sizes)))


@given(st.integers(0, 40), st.integers(1, 6))
def test_each_worker_gets_every_so_many_of_single_ones_and_the_longest_first(count: int, workers: int) -> None:
    hands = parts(dealt(numbered([1] * count), workers), workers)
    assert sorted(hands) == sorted(list(range(count))[first::workers] for first in range(workers))


@given(st.integers(1, 9), st.integers(1, 6))
def test_a_group_that_others_can_make_up_for_stays_in_one_hand(size: int, workers: int) -> None:
    hands = parts(dealt(numbered([1, size, *[1] * (10 * workers)]), workers), workers)
    assert [set(range(1, size + 1)) <= set(hand) for hand in hands].count(True) == 1
