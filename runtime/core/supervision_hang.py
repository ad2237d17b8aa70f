"""When a child that works counts as hung, and what is done about it."""

from __future__ import annotations

import enum
import math

CANCEL_GRACE_SECONDS = 1.0
"""How long what was cancelled may take to end."""


class Verdict(enum.StrEnum):
    """What a look at a child calls for."""

    WAIT = "wait"
    CANCEL = "cancel"
    """Cancel what it does, and restart it with `HandlerHungError` when that has ended."""
    ABANDON = "abandon"
    """It ignores its cancellation: restart it with `HandlerHungError` and leave behind what does not end."""


class HangWatch:
    """Watches one child by looking at a counter now and then, so that its work pays nothing for being watched.

        quiet or moving -> stuck since -> cancelled -> abandoned

    A child is stuck while it works and its counter stands still. Time runs from the first look that saw it so: a hang
    is found late by at most one pause between looks, never early.
    """

    def __init__(self, limit_seconds: float, *, grace_seconds: float = CANCEL_GRACE_SECONDS) -> None:
        self._limit = limit_seconds
        self._grace = grace_seconds
        self._progress: int | None = None
        self._due_at = math.inf
        self._cancelled = False
        self._abandoned = False

    @property
    def due_at(self) -> float:
        """The monotonic time of the next verdict other than to wait, as far as is known; no look is needed before."""
        return self._due_at

    def look(self, now: float, *, progress: int, working: bool) -> Verdict:
        """The verdict at `now` (monotonic). `progress` is any number that changes with each message handled."""
        if not working:
            self._begin(None, math.inf)
        elif progress != self._progress:
            self._begin(progress, now + self._limit)
        elif now >= self._due_at:
            return self._overdue(now)
        return Verdict.WAIT

    def _begin(self, progress: int | None, due_at: float) -> None:
        self._progress, self._due_at, self._cancelled, self._abandoned = progress, due_at, False, False

    def _overdue(self, now: float) -> Verdict:
        if self._cancelled:
            self._due_at, self._abandoned = math.inf, True
            return Verdict.ABANDON
        self._due_at, self._cancelled = now + self._grace, True
        return Verdict.CANCEL

    def validate(self) -> None:
        assert not self._abandoned or self._cancelled, "abandoned without having been cancelled"
        assert not self._abandoned or math.isinf(self._due_at), "abandoned twice"
        assert self._progress is not None or math.isinf(self._due_at), "a child at rest is watched"
