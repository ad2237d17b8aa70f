"""The slots of one service: which are free, and whether one may be filled now."""

from __future__ import annotations

from collections.abc import Callable

from runtime.core.slot_pool import SlotPool
from runtime.core.work_classes import UNKNOWN


class Slots:
    """Numbered from 0. Each one that is filled counts `cost` times under the caps of the service and of the process.

    There are as many as the service was registered with, unless the policies say how many. Numbers are made when they
    are needed, and never taken away: above the limit they lie idle.
    """

    __slots__ = (
        "_cost",
        "_free",
        "_lent",
        "_limit",
        "_numbers",
        "_registered",
        "_wake",
        "_work_class",
        "held",
        "is_open",
        "pool",
        "room",
    )

    def __init__(self, total: int, cost: int, wake: Callable[[], None], work_class: int = UNKNOWN) -> None:
        self.room = 0
        """How many may be filled now, as far as this service goes."""
        self._cost = cost
        self.pool: SlotPool | None = None
        """The slots of the process, where those are counted."""
        self._wake = wake
        self._work_class = work_class
        self._limit = self._registered = total // cost
        self._free: list[int] = []
        self._numbers = 0
        self._lent = 0
        self.is_open = False
        """Whether slots are filled: the service runs and does not stop."""
        self.held: str | None = None
        """Why nothing is started at all."""

    @property
    def filled(self) -> int:
        return self._numbers - len(self._free) - self._lent

    @property
    def limit(self) -> int:
        """How many may be filled at once."""
        return self._limit

    def detail(self) -> str:
        """What people are told."""
        lent = f"; {self._lent} wait for callouts" if self._lent else ""
        held = f"; {self.held}: nothing is started" if self.held else ""
        return f"{self.filled} of {self._limit} slots in use{lent}{held}"

    def open(self) -> None:
        """Begin a new life, with every slot free."""
        self.is_open = True
        self._count()

    def close(self) -> None:
        """Fill no slot any more."""
        self.is_open = False
        self._count()

    def end(self) -> None:
        """Nothing runs any more: every slot is free, also those that were not given back."""
        if self.pool is not None:
            self.pool.free(self.filled * self._cost, self._work_class)
        self._free = list(range(self._numbers))
        self._lent = 0

    def set_terms(self, slots: int | None, held: str | None) -> None:
        """Fill at most so many slots, as the caps count, or none while the service is held; what runs goes on.

        None stands for as many as the service was registered with.
        """
        self._limit = self._registered if slots is None else slots // self._cost
        self.held = held
        self._count()

    def join(self, pool: SlotPool | None) -> None:
        """Share the slots of the process, or stop sharing them."""
        if pool is not self.pool:
            if self.pool is not None:
                self.pool.free(self.filled * self._cost, self._work_class)
            self.pool = pool
            if pool is not None:
                pool.fill(self._wake, self.filled * self._cost, self._work_class)

    @property
    def pool_is_full(self) -> bool:
        """Whether the process has no room for one more. Unlike `in_turn`, it puts nobody in line."""
        return self.pool is not None and not self.pool.may_fill(self._cost, self._work_class)

    @property
    def pool_keeps(self) -> bool:
        """Whether the process has room, kept for other classes of services."""
        return self.pool is not None and self.pool_is_full and self.pool.filled + self._cost <= self.pool.cap

    def in_turn(self, *, wanted: bool = True) -> bool:
        """Whether the pool has room for one more that is `wanted`. If not, the service is woken when it has.

        A service that wants none stands in nobody's way.
        """
        if not wanted:
            self.decline()
            return False
        return self.pool is None or self.pool.has_room(self._wake, self._cost, self._work_class)

    def decline(self) -> None:
        """Nothing is there to run, or may be, so that the service stands in nobody's way."""
        if self.pool is not None:
            self.pool.decline(self._wake)

    def take(self) -> int:
        """Fill one, of which there is room."""
        self.room -= 1
        if self.pool is not None:
            self.pool.fill(self._wake, self._cost, self._work_class)
        if not self._free:
            self._free.append(self._numbers)
            self._numbers += 1
        return self._free.pop()

    def give(self, slot: int) -> None:
        """Free one."""
        self.room += 1
        self._free.append(slot)
        if self.pool is not None:
            self.pool.free(self._cost, self._work_class)

    def lend(self) -> None:
        """Free a slot while its number stays with who fills it."""
        self._lent += 1
        self.room += 1
        if self.pool is not None:
            self.pool.free(self._cost, self._work_class)

    def retake(self) -> None:
        """Fill a slot, of which there is room, again under its number."""
        self._lent -= 1
        self.room -= 1
        if self.pool is not None:
            self.pool.fill(self._wake, self._cost, self._work_class)

    def give_lent(self, slot: int) -> None:
        """Give up the number of one that is lent."""
        self._lent -= 1
        self._free.append(slot)

    def _count(self) -> None:
        allowed = self._limit if self.is_open and self.held is None else 0
        self.room = allowed - self.filled
        if self.room <= 0:
            self.decline()
