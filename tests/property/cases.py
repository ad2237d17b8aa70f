"""How many cases a property tries."""

from __future__ import annotations

import os


def cases(usual: int) -> int:
    """`POSTROOM_CASES` where it is set: a full run takes far more than the gate has time for."""
    return int(os.environ.get("POSTROOM_CASES", usual))
