"""Time that stands still until a test moves it."""

from __future__ import annotations

START = 1_767_225_600.0
"""The beginning of 2026 (UTC)."""


class VirtualClock:
    """Both readings of `actors.Clock`, from the beginning of 2026 on."""

    def __init__(self, start: float = START) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def move_to(self, moment: float) -> None:
        """Let it be a later time; an earlier one changes nothing."""
        self._now = max(self._now, moment)
