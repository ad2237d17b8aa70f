"""Dead letters in memory: messages that will never be handled. Counted by reason, logged, and the last ones kept."""

from __future__ import annotations

import enum
import itertools
import logging
import time
from collections import deque
from collections.abc import Mapping

import msgspec

LOGGER = logging.getLogger("postroom.actors")

KEPT = 1000
LOG_SECONDS = 1.0
"""How far apart lines about them are at least: a flood of messages is not to become a flood of lines."""


class DeadReason(enum.StrEnum):
    """Why a message in memory was not handled."""

    STOPPED = "stopped"
    """The actor has stopped, or stopped before it came to the message."""
    MAILBOX_FULL = "mailbox_full"
    """The mailbox had no room, and its policy is to drop, or nobody could be told."""
    DROPPED_OLDEST = "dropped_oldest"
    """It had waited longest when a newer one found the mailbox full."""


class DeadMessage(msgspec.Struct, frozen=True):
    """One of them. `at` is seconds since the epoch (UTC)."""

    path: str
    message: object
    reason: DeadReason
    at: float


class DeadMessagesFound(msgspec.Struct, frozen=True):
    """The last ones, newest first, and how many there were since the app started, in all and by reason."""

    total: int
    reasons: Mapping[DeadReason, int]
    last: list[DeadMessage]


class DeadMessages:
    """The last `KEPT`, and the count of all."""

    __slots__ = ("_logged_at", "_unlogged", "last", "reasons")

    def __init__(self) -> None:
        self.last: deque[DeadMessage] = deque(maxlen=KEPT)
        self.reasons = dict.fromkeys(DeadReason, 0)
        self._logged_at = -LOG_SECONDS
        self._unlogged = 0

    @property
    def total(self) -> int:
        return sum(self.reasons.values())

    def add(self, path: str, message: object, reason: DeadReason) -> None:
        now = time.monotonic()
        self.reasons[reason] += 1
        self._unlogged += 1
        self.last.append(DeadMessage(path, message, reason, time.time()))
        if now - self._logged_at >= LOG_SECONDS:
            more = f" ({self._unlogged - 1} more before it)" if self._unlogged > 1 else ""
            LOGGER.warning("%s: %s became a dead letter: %s%s", path, type(message).__name__, reason, more)
            self._logged_at, self._unlogged = now, 0

    def found(self, limit: int) -> DeadMessagesFound:
        """Up to `limit` of the last."""
        last = list(itertools.islice(reversed(self.last), limit))
        return DeadMessagesFound(self.total, dict(self.reasons), last)
