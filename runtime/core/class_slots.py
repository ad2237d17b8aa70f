"""Which class of work may fill a slot: as many as are kept for it, and of the others those that nobody's are."""

from __future__ import annotations

import msgspec

from runtime.core.work_classes import WORK_CLASSES, Guarantees, WorkClass, kept_slots


class ClassStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A class at one moment, in slots as its guarantees count them."""

    name: WorkClass
    kept: int
    """Slots that no other class may fill."""
    filled: int
    most: int
    """How many it may fill at once, as others stand now."""
    waiting: int | None = None
    """Entries; None for classes of services."""

    @property
    def is_full(self) -> bool:
        return self.filled >= self.most

    def __str__(self) -> str:
        waiting = "" if self.waiting is None else f", {self.waiting:,} wait"
        return f"{self.name} {self.filled:,} of {self.most:,} (kept {self.kept:,}){waiting}"


class ClassSlots:
    """Counts the slots that each class fills. A class is meant by its place in `WORK_CLASSES`.

    Slots are kept from others while they are empty: a class may fill one more if it fills less than is kept for it, or
    if more are free than are kept for all others. Lowering the total, or changing what is kept, stops nothing that
    runs; what is kept then comes free as that ends.
    """

    __slots__ = ("_spare", "filled", "kept", "total")

    def __init__(self) -> None:
        self.total = 0
        self.kept = [0] * len(WORK_CLASSES)
        self.filled = [0] * len(WORK_CLASSES)
        self._spare = 0
        """Slots that are neither filled nor kept; below 0 where the terms have changed under what runs."""

    def set_terms(self, total: int, guarantees: Guarantees) -> None:
        """Share out so many slots in all."""
        self.total = total
        self.kept = kept_slots(total, guarantees)
        self._spare = self._count_spare()

    def successor(self) -> ClassSlots:
        """The same terms, with every slot free."""
        made = ClassSlots()
        made.total, made.kept = self.total, self.kept
        made._spare = made._count_spare()
        return made

    def may_fill(self, place: int, slots: int = 1) -> bool:
        """Whether a class may fill so many more."""
        over = self.filled[place] + slots - self.kept[place]
        return over <= 0 or min(over, slots) <= self._spare

    def fill(self, place: int, slots: int = 1) -> None:
        self.filled[place] += slots
        over = self.filled[place] - self.kept[place]
        if over > 0:
            self._spare -= min(over, slots)

    def free(self, place: int, slots: int = 1) -> None:
        over = self.filled[place] - self.kept[place]
        if over > 0:
            self._spare += min(over, slots)
        self.filled[place] -= slots

    def standing(self, place: int, waiting: int | None = None) -> ClassStanding:
        filled, kept = self.filled[place], self.kept[place]
        return ClassStanding(
            name=WORK_CLASSES[place],
            kept=kept,
            filled=filled,
            most=max(filled, kept) + max(0, self._spare),
            waiting=waiting,
        )

    def _count_spare(self) -> int:
        return self.total - sum(map(max, self.filled, self.kept))

    def validate(self) -> None:
        """Raise `AssertionError` if the parts contradict each other."""
        assert all(filled >= 0 for filled in self.filled)
        assert self._spare == self._count_spare()
        if self.total:
            assert all(self.kept) or sum(self.kept) < self.total, "a class could never run"
