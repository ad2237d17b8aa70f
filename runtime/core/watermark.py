"""How far a queue's log is done: the seq below which nothing has to be read again."""

from __future__ import annotations

import heapq
from collections import deque

DONE_KEPT = 4096
"""Entries that are done behind one that is not are kept until there are as many as of those that are not, and so many
more: one that is held for long must not cost the memory of all that overtake it."""


class LowWatermark:
    """Follows entries that are loaded in increasing seq and done in any order. O(1) amortised per entry."""

    __slots__ = ("_known", "_open", "_order")

    def __init__(self, value: int = 0) -> None:
        """Begin where every entry up to `value` is done."""
        self._known = value
        self._order: deque[int] = deque()
        self._open: set[int] = set()

    @property
    def value(self) -> int:
        """The highest seq up to which every loaded entry is done; it never falls."""
        return self._order[0] - 1 if self._order else self._known

    @property
    def known(self) -> int:
        """The highest seq loaded or advanced to: where to read on."""
        return self._known

    def __len__(self) -> int:
        """How many loaded entries are not done."""
        return len(self._open)

    def __contains__(self, seq: int) -> bool:
        """Whether `seq` was loaded and is not done."""
        return seq in self._open

    def load(self, seq: int) -> None:
        """Record that `seq` is pending.

        Raises:
            ValueError: `seq` is not above everything known, so the watermark may have passed it.
        """
        if seq <= self._known:
            raise ValueError(f"seq {seq} was loaded after {self._known}")
        self._known = seq
        order = self._order
        order.append(seq)
        self._open.add(seq)
        if len(order) > 2 * len(self._open) + DONE_KEPT:
            self._order = deque(seq for seq in order if seq in self._open)

    def done(self, seq: int) -> None:
        """Record that `seq` has its outcome.

        Raises:
            ValueError: `seq` is not pending: it was never loaded, or is done already.
        """
        pending = self._open
        if seq not in pending:
            raise ValueError(f"seq {seq} is not pending")
        pending.remove(seq)
        order = self._order
        while order and order[0] not in pending:
            order.popleft()

    def advance_to(self, seq: int) -> None:
        """Record that nothing but what was loaded is pending up to `seq`. A `seq` known already changes nothing."""
        self._known = max(self._known, seq)

    def absorb(self, other: LowWatermark) -> None:
        """Follow the entries of another one too, none of which is an own one."""
        self._known = max(self._known, other._known)
        self._order = deque(heapq.merge(self._pending(), other._pending()))
        self._open |= other._open

    def _pending(self) -> list[int]:
        return [seq for seq in self._order if seq in self._open]

    def validate(self) -> None:
        """Raise `AssertionError` if the parts contradict each other."""
        order = list(self._order)
        assert order == sorted(set(order))
        assert self._open <= set(order)
        assert not order or (order[0] in self._open and order[-1] <= self._known)
        assert self.value <= self._known
