"""How busy a process is, and whether it is the place for work that could begin in any."""

from __future__ import annotations

from collections.abc import Iterable

MARGIN = 0.25
"""By so much a process may be busier than another and keep new work: each is measured over another second."""


class Utilization:
    """The part of the time, from 0 to 1, for which the one thread of an event loop was at work.

    Utilization as in queueing theory, of one server.
    """

    __slots__ = ("_seen_at", "_worked")

    def __init__(self, now: float, worked: float) -> None:
        """`now` is a monotonic clock's time, `worked` the processor time of the thread, both in seconds."""
        self._seen_at = now
        self._worked = worked

    def since_last(self, now: float, worked: float) -> float:
        """That of the time since the last call, or the beginning."""
        passed, did = now - self._seen_at, worked - self._worked
        self._seen_at, self._worked = now, worked
        return min(1.0, max(0.0, did / passed)) if passed > 0 else 0.0


def keeps_new_work(own: float, others: Iterable[float]) -> bool:
    """Whether a process of such a utilization begins new work itself, rather than have chance choose who does."""
    return all(own <= other + MARGIN for other in others)
