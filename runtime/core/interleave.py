"""One from each of several iterables, round after round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def interleave(iterables: Iterable[Iterable[T]]) -> Iterator[T]:
    """Everything that is in any of them. None is read further than it must be."""
    left = [iter(each) for each in iterables]
    while left:
        for each in left.copy():
            try:
                yield next(each)
            except StopIteration:
                left.remove(each)
