"""Time as an argument: parts ask a clock, tests drive one by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of time, both in seconds."""

    def now(self) -> float:
        """Wall-clock time since the epoch (UTC), for records."""
        ...

    def monotonic(self) -> float:
        """Time that never goes back, for durations."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
