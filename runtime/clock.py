"""Time as an argument: parts ask a clock, tests drive one by hand."""

from __future__ import annotations

import time

from actors.context import Clock

__all__ = ["Clock", "SystemClock"]


class SystemClock:
    """The clock of this machine."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
