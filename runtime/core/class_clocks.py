"""Which class of work is served next: the one whose first tenant is the least served, among those that may fill a slot.

Each class has virtual time of its own, in its fair share; here its place says where that stands among the others.

- Of several classes that may fill a slot the lowest one is served, as if all tenants stood in one fair share.
- A class that is served although a lower one waits, which may not fill the slot, owes that one what its entries out may
  cost, and no more: what nobody else may have is not held against those that get it, however long they do. The debt
  is what lets the other one catch up where it was full for a moment only.
- A class that had nothing to run starts at the present: idling earns nothing, as it does not for tenants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from runtime.core.work_classes import WORK_CLASSES


class ClassClocks:
    """The places of the classes, each meant by its place in `WORK_CLASSES`."""

    __slots__ = ("_absent", "_offsets", "now")

    def __init__(self) -> None:
        self.now = 0.0
        """The highest place that was served."""
        self._offsets = [0.0] * len(WORK_CLASSES)
        self._absent = [True] * len(WORK_CLASSES)
        """Of which classes nothing could run when somebody was served last."""

    def place(self, number: int, tag: float) -> float:
        """Where a start tag of a class stands among those of all."""
        return tag + self._offsets[number]

    def choose(
        self,
        tags: Sequence[float | None],
        runs: Callable[[int], bool],
        may_fill: Callable[[int], bool],
        debt: Callable[[int], float],
    ) -> int | None:
        """The class to serve, and move the clocks on; None if there is none.

        `tags` are those of what is next, `debt` is how far a class may be ahead of one that may not fill the slot.
        """
        chosen, lowest, least = None, math.inf, math.inf
        for number, tag in enumerate(tags):
            if tag is None:
                self._absent[number] = True
                continue
            place = self._present(number, tag, runs)
            lowest = min(lowest, place)
            if place < least and may_fill(number):
                chosen, least = number, place
        if chosen is not None:
            forgiven = max(0.0, least - lowest - debt(chosen))
            self._offsets[chosen] -= forgiven
            self.now = max(self.now, lowest)
        return chosen

    def _present(self, number: int, tag: float, runs: Callable[[int], bool]) -> float:
        place = self.place(number, tag)
        if self._absent[number]:
            self._absent[number] = False
            if place < self.now or not runs(number):
                self._offsets[number] += self.now - place
                return self.now
        return place
