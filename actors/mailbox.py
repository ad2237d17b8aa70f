"""How much an actor's mailbox holds, and what becomes of messages that find it full."""

from __future__ import annotations

import enum

import msgspec

from actors.errors import SpecError


class Overflow(enum.StrEnum):
    """What becomes of a message in memory that finds a mailbox full. Durable events wait in the log, not here."""

    WAIT = "wait"
    """`send` and `ask` wait for room, `tell` raises `MailboxFullError`."""
    REFUSE = "refuse"
    """All raise `MailboxFullError`."""
    DROP_NEWEST = "drop_newest"
    """It becomes a dead letter."""
    DROP_OLDEST = "drop_oldest"
    """The message that has waited longest becomes a dead letter, and this one takes its place at the end."""


class Bounded(msgspec.Struct, frozen=True):
    """A mailbox for `capacity` messages in memory. Notices, such as `Terminated`, always find room.

    Raises:
        SpecError: `capacity` is below 1.
    """

    capacity: int
    policy: Overflow = Overflow.WAIT

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise SpecError("capacity", f"must be 1 or more, not {self.capacity}")
