"""Named points of the commit path at which a crash campaign ends the process. In production they do nothing.

The environment variable is read once, when the process starts: `POSTROOM_CRASH_AT=journal.after_commit:3` kills the
process with SIGKILL when it gets there for the third time.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

VARIABLE = "POSTROOM_CRASH_AT"

POINTS = (
    "journal.before_commit",
    "journal.after_commit",
    "journal.before_recorded",
    "transaction.before_commit",
    "transaction.after_commit",
    "chunk.before_commit",
    "chunk.after_commit",
    "delays.before_release",
    "delays.after_release",
    "outbox.before_commit",
    "outbox.after_commit",
    "replays.before_commit",
    "replays.after_commit",
    "schedules.before_commit",
    "schedules.after_commit",
    "watermarks.before_save",
    "watermarks.after_save",
)

Reach = Callable[[str], None]


def _pass(point: str) -> None:
    """Go on."""


def armed(text: str, crash: Callable[[], None]) -> Reach:
    """What to call at each point so that `crash` is called at the one, and the time, that `text` names."""
    if not text:
        return _pass
    name, _, count = text.partition(":")
    assert name in POINTS, f"{VARIABLE}: no point is named {name!r}; there are {', '.join(POINTS)}"
    times = int(count or 1)
    passes = itertools.count(1)

    def reach(point: str) -> None:
        if point == name and next(passes) == times:
            crash()

    return reach


def _kill_own_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


reach = armed(os.environ.get(VARIABLE, ""), _kill_own_process)
