"""Which actor of a pool gets a message in memory."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Sequence


class Routing(enum.StrEnum):
    """How a service that is a pool, one actor per slot, spreads messages in memory. Events go where a slot is free."""

    ROUND_ROBIN = "round_robin"
    """Each in turn."""
    LEAST_MAILBOX = "least_mailbox"
    """The one with the fewest messages waiting; the first of several."""
    CONSISTENT_HASH = "consistent_hash"
    """The same one for the same tenant and key; another number of slots moves as few of them as it can."""


def shortest(depths: Sequence[int]) -> int:
    return min(range(len(depths)), key=depths.__getitem__)


def consistent_slot(tenant: str, key: str, slots: int) -> int:
    """The slot of a key, after "A Fast, Minimal Memory, Consistent Hash Algorithm" (Lamping and Veach, 2014)."""
    state = zlib.crc32(f"{tenant}\x00{key}".encode()) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF  # hash() has a seed
    slot, jump = 0, 0
    while jump < slots:
        slot = jump
        state = (state * 2862933555777941757 + 1) & 0xFFFFFFFFFFFFFFFF
        jump = int((slot + 1) * ((1 << 31) / ((state >> 33) + 1)))
    return slot
