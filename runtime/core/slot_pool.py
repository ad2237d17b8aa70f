"""The slots of a whole process, divided among its services: who waits longest for one gets it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from runtime.core.slot_account import NO_CAP

Wake = Callable[[], None]
"""Of a service: slots may be free for it."""


class SlotPool:
    """Counts filled slots under a cap. A service that finds none free stands in line, once, and is woken in turn."""

    __slots__ = ("_line", "cap", "filled")

    def __init__(self, cap: int = NO_CAP) -> None:
        self.cap = cap
        self.filled = 0
        self._line: deque[Wake] = deque()

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be filled, or somebody waits for more than is free."""
        return self.filled >= self.cap or bool(self._line)

    def has_room(self, wake: Wake, slots: int) -> bool:
        """Whether a service may fill so many slots now; if not, it stands in line."""
        line = self._line
        if self.filled + slots <= self.cap and (not line or line[0] == wake):
            return True
        if wake not in line:
            line.append(wake)
        return False

    def fill(self, wake: Wake, slots: int) -> None:
        """Fill slots for which there is room."""
        self.filled += slots
        self.decline(wake)

    def free(self, slots: int) -> None:
        self.filled -= slots
        if self._line:
            self._line[0]()

    def decline(self, wake: Wake) -> None:
        """A service whose turn it is has nothing to run, or had its turn: the next one is woken."""
        line = self._line
        if line and line[0] == wake:
            line.popleft()
            if line and self.filled < self.cap:
                line[0]()

    def set_cap(self, cap: int) -> None:
        self.cap = cap
        if self._line:
            self._line[0]()
