"""The order in which several processes run the tests.

`--dist worksteal` gives each worker a contiguous part of all tests, and who has nothing left gets half of what the
longest part still has, from its end. So tests are dealt like cards, the longest first: each worker begins with a fair
part of them, what is left for the end is short, and tests that share a costly fixture stay in one hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")


def dealt(groups: Iterable[Sequence[T]], hands: int) -> list[T]:
    """Give each group to who has least, in turn; return the hands, the shortest first, as the workers' parts are."""
    held: list[list[T]] = [[] for _ in range(hands)]
    for group in groups:
        min(held, key=len).extend(group)
    held.sort(key=len)
    return list(itertools.chain.from_iterable(held))


def groups_of(items: Sequence[pytest.Item]) -> Iterator[list[pytest.Item]]:
    """Neighbours with one `xdist_group` together, any other alone; those first that may take longest."""
    ordered = sorted(items, key=seconds_allowed, reverse=True)
    for name, group in itertools.groupby(ordered, key=group_name):
        if name is None:
            yield from ([item] for item in group)
        else:
            yield list(group)


def seconds_allowed(item: pytest.Item) -> float:
    """The time limit of a test that has one of its own."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None else 0.0


def group_name(item: pytest.Item) -> str | None:
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark is not None else None
