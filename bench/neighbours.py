"""The jobs of the noisy neighbour, the same for the runtime and its peers."""

from __future__ import annotations

from collections.abc import Sequence

SLOTS = 50
JOB_SECONDS = 0.005
LARGE = "large"
SMALL = [f"small-{number}" for number in range(10)]
SMALL_JOBS = 20


def part(waits: Sequence[float], which: float) -> float:
    """The wait that this part of all, which are in order, is not longer than."""
    return waits[min(len(waits) - 1, int(which * len(waits)))]
