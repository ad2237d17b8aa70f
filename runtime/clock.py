"""Time as an argument: parts ask a clock, tests drive one by hand."""

from __future__ import annotations

import time

from actors.context import Clock

__all__ = ["Clock", "SystemClock"]


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
