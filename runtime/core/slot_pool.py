"""The slots of a whole process, divided among its services: who waits longest for one gets it.

Each service has a class of work, and of the slots a part can be kept for each class. Who stands in line for slots that
all classes may fill lets nobody pass but those that fill slots kept for their own class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runtime.core.class_slots import ClassSlots, ClassStanding
from runtime.core.slot_account import NO_CAP
from runtime.core.work_classes import UNKNOWN, WORK_CLASSES, Guarantees

Wake = Callable[[], None]
"""Of a service: slots may be free for it."""


class SlotPool:
    """Counts filled slots under a cap. A service that finds none free stands in line, once, and is woken in turn.

    A class is meant by its place in `WORK_CLASSES`.
    """

    __slots__ = ("_classes", "_line", "cap", "filled")

    def __init__(self, cap: int = NO_CAP) -> None:
        self.cap = cap
        self.filled = 0
        self._classes = ClassSlots()
        self._classes.set_terms(cap, {})
        self._line: list[tuple[Wake, int, int]] = []

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be filled, or somebody waits for more than is free."""
        return self.filled >= self.cap or bool(self._line)

    @property
    def kept_empty(self) -> int:
        """How many slots are empty because they are kept."""
        return sum(max(0, kept - filled) for kept, filled in zip(self._classes.kept, self._classes.filled, strict=True))

    def classes(self) -> list[ClassStanding]:
        """How the classes stand; none where nothing is kept for any."""
        if not any(self._classes.kept):
            return []
        return [self._classes.standing(place) for place in range(len(WORK_CLASSES))]

    def may_fill(self, slots: int, work_class: int = UNKNOWN) -> bool:
        """Whether so many slots are free for a class, whoever stands in line."""
        return self.filled + slots <= self.cap and self._classes.may_fill(work_class, slots)

    def has_room(self, wake: Wake, slots: int, work_class: int = UNKNOWN) -> bool:
        """Whether a service may fill so many slots now; if not, it stands in line."""
        if self._may_go(wake, slots, work_class):
            return True
        if not any(other == wake for other, _, _ in self._line):
            self._line.append((wake, slots, work_class))
        return False

    def fill(self, wake: Wake, slots: int, work_class: int = UNKNOWN) -> None:
        """Fill slots for which there is room."""
        self.filled += slots
        self._classes.fill(work_class, slots)
        if self._line:
            self.decline(wake)

    def free(self, slots: int, work_class: int = UNKNOWN) -> None:
        self.filled -= slots
        self._classes.free(work_class, slots)
        if self._line:
            self._wake_next()

    def decline(self, wake: Wake) -> None:
        """A service has nothing to run, or had its turn, and leaves the line: the next one is woken."""
        left = [standing for standing in self._line if standing[0] != wake]
        if len(left) < len(self._line):
            self._line = left
            self._wake_next()

    def set_terms(self, cap: int, guarantees: Guarantees, costs: Sequence[int] = ()) -> None:
        """Have so many slots, of which parts are kept for classes. What runs goes on.

        `costs` are the most slots that an event of each class fills. Where one would never find them, as there are too
        few, nothing is kept.
        """
        self.cap = cap
        self._classes.set_terms(cap, guarantees)
        kept = self._classes.kept
        free = cap - sum(kept)
        if any(cost > own + free for cost, own in zip(costs, kept, strict=False)):
            self._classes.set_terms(cap, {})
        self._wake_next()

    def _may_go(self, wake: Wake, slots: int, work_class: int) -> bool:
        if not self.may_fill(slots, work_class):
            return False
        if not self._line:
            return True
        kept = self._classes.filled[work_class] + slots <= self._classes.kept[work_class]
        for other, _, others_class in self._line:
            if other == wake:
                return True
            if not kept or others_class == work_class:
                return False
        return True

    def _wake_next(self) -> None:
        for standing in self._line:
            if self._may_go(*standing):
                standing[0]()
                return
