"""Dead letters in memory: messages that will never be handled. Counted, logged, and the last ones kept."""

from __future__ import annotations

import logging
import time
from collections import deque

import msgspec

LOGGER = logging.getLogger("postroom.actors")

KEPT = 1000
LOG_SECONDS = 1.0
"""How far apart lines about them are at least: a flood of messages is not to become a flood of lines."""


class DeadMessage(msgspec.Struct, frozen=True):
    """One of them. `at` is monotonic seconds."""

    path: str
    message: object
    reason: str
    at: float


class DeadMessages:
    """The last `KEPT`, and the count of all."""

    __slots__ = ("_logged_at", "_unlogged", "last", "total")

    def __init__(self) -> None:
        self.last: deque[DeadMessage] = deque(maxlen=KEPT)
        self.total = 0
        self._logged_at = -LOG_SECONDS
        self._unlogged = 0

    def add(self, path: str, message: object, reason: str) -> None:
        now = time.monotonic()
        self.total += 1
        self._unlogged += 1
        self.last.append(DeadMessage(path, message, reason, now))
        if now - self._logged_at >= LOG_SECONDS:
            more = f" ({self._unlogged - 1} more before it)" if self._unlogged > 1 else ""
            LOGGER.warning("%s: %s became a dead letter: %s%s", path, type(message).__name__, reason, more)
            self._logged_at, self._unlogged = now, 0
