"""Delays in a fixed room, however many there are."""

from __future__ import annotations

import math

LEAST_SECONDS = 1e-5
GROWTH = 1.05
"""Each bucket's width: what is read is at most so much above what was measured."""
BUCKETS = 400
"""The last one begins at 47 minutes."""
_SCALE = 1.0 / math.log(GROWTH)


class Lags:
    """Counts delays by their size."""

    __slots__ = ("_counts", "count")

    def __init__(self) -> None:
        self.count = 0
        self._counts = [0] * BUCKETS

    def add(self, seconds: float) -> None:
        place = 0 if seconds <= LEAST_SECONDS else int(math.log(seconds / LEAST_SECONDS) * _SCALE) + 1
        self._counts[min(place, BUCKETS - 1)] += 1
        self.count += 1

    def quantile(self, part: float) -> float:
        """The upper end of the bucket below which `part` (0 to 1) of the delays lie; 0 if there are none."""
        wanted, seen = part * self.count, 0
        for place, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return float(LEAST_SECONDS * GROWTH**place)
        return 0.0

    def merge(self, other: Lags) -> None:
        """Add what another has counted."""
        self._counts = [own + others for own, others in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
