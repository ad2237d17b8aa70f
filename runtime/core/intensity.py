"""Restart intensity: how many restarts in how short a time are too many."""

from __future__ import annotations

from collections import deque

from actors.spec import Intensity


def add_restart(restarts: deque[float], now: float, intensity: Intensity) -> bool:
    """Add a restart at `now` to the window; True if there are more than `intensity` allows.

    `restarts` holds monotonic times, oldest first, and forgets those that have left the window; a restart
    exactly `period_seconds` ago still counts. After `add_restart` of OTP's supervisor.erl.
    """
    restarts.append(now)
    oldest = now - intensity.period_seconds
    while restarts[0] < oldest:
        restarts.popleft()
    return len(restarts) > intensity.max_restarts
