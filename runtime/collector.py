"""The collector of cyclic garbage while an app runs.

What waits for its commit is thousands of objects, none of which is garbage. By its defaults the collector looks at them
again and again, and at everything else that lives: a quarter of what an event costs in bulk.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

THRESHOLDS = (10_000, 20, 20)
"""So many objects more than before, then a look at the young ones. A process may hold a few MB more of garbage."""


@contextlib.contextmanager
def fewer_collections() -> Iterator[None]:
    """Have the collector wait for more objects inside the block, unless it is off or waits for as many already."""
    before = gc.get_threshold()
    if 0 < before[0] < THRESHOLDS[0]:
        gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        if gc.get_threshold()[0] == THRESHOLDS[0]:
            gc.set_threshold(*before)
